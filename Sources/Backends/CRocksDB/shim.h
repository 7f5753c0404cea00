#pragma once

// RocksDB's C interface as Debian's librocksdb-dev installs it.
#include <rocksdb/c.h>
