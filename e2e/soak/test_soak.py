"""The rule of a soak, and its load against a node that answers wrong.

python3 -m unittest e2e/soak/test_soak.py
"""

import dataclasses
import sys
import unittest
import xml.etree.ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "crash")]

import soak
from series import RULES, Latency, Rule, Sample, judge, quarters, verdicts


def sample(second, resident=50.0, probe=1.0, p50=2.0, work=1.0):
    latency = {"write small": Latency(p50, p50 * 5, 100)}
    machine = {"disk": Latency(probe, probe * 5, 25), "processor": Latency(work, work * 5, 25)}
    return Sample(second, resident, 30, 28, 0.1, 0.1, 0.0, 200.0, 100.0, latency, machine)


def grown(found):
    return [verdict.rule.name for verdict in found if not verdict.flat]


class TrendTests(unittest.TestCase):
    def test_quarters_leave_the_first_and_the_third_out(self):
        self.assertEqual(quarters([9, 9, 1, 2, 9, 9, 5, 6]), (1.5, 5.5))

    def test_flat_is_green(self):
        self.assertEqual(grown(verdicts([sample(n) for n in range(40)])), [])

    def test_warming_up_is_green(self):
        self.assertEqual(grown(verdicts([sample(n, resident=min(n, 10) * 20) for n in range(40)])), [])

    def test_a_leak_is_red(self):
        self.assertEqual(grown(verdicts([sample(n, resident=50 + 3 * n) for n in range(40)])), ["resident memory"])

    def test_the_slowest_of_a_handful_is_not_judged(self):
        few = {"list": Latency(1.0, 1.0, 19)}
        samples = [dataclasses.replace(sample(n), latency=few) for n in range(40)]
        self.assertNotIn("list p99", [verdict.rule.name for verdict in verdicts(samples)])
        self.assertIn("list p50", [verdict.rule.name for verdict in verdicts(samples)])

    def test_a_single_spike_is_no_trend(self):
        self.assertEqual(grown(verdicts([sample(n, resident=900 if n == 38 else 50) for n in range(40)])), [])

    def test_growing_latency_is_red(self):
        self.assertEqual(
            grown(verdicts([sample(n, p50=2 + n * n / 10) for n in range(40)])), ["write small p50", "write small p99"]
        )

    def test_a_slower_machine_is_granted(self):
        self.assertEqual(grown(verdicts([sample(n, p50=2 + n * n / 10, probe=2 + n * n / 10) for n in range(40)])), [])

    def test_busy_processors_are_granted(self):
        self.assertEqual(grown(verdicts([sample(n, p50=2 + n * n / 10, work=2 + n * n / 10) for n in range(40)])), [])

    def test_a_slower_machine_does_not_excuse_memory(self):
        found = verdicts([sample(n, resident=50 + 3 * n, probe=1 + n) for n in range(40)])
        self.assertEqual(grown(found), ["resident memory"])

    def test_the_bound_is_factor_and_slack(self):
        rule = Rule("x", "", 1.5, 10)
        self.assertTrue(judge(rule, [0, 100, 0, 160]).flat)
        self.assertFalse(judge(rule, [0, 100, 0, 161]).flat)

    def test_too_few_samples_judge_nothing(self):
        self.assertEqual(verdicts([sample(n) for n in range(7)]), [])

    def test_every_rule_names_a_series(self):
        for field in RULES:
            self.assertIn(field, Sample.__dataclass_fields__)


class PlotTests(unittest.TestCase):
    def test_the_plot_is_well_formed(self):
        for count in (1, 2, 40):
            xml.etree.ElementTree.fromstring(soak.plot([sample(5 * n) for n in range(count)], "a & b"))


if __name__ == "__main__":
    unittest.main()
