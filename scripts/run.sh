#!/usr/bin/env bash
# Starts a development node and prints what to paste once it is ready.
set -euo pipefail
binary=$1
data=$2
listen=${FOREBAY_LISTEN:-127.0.0.1:10000}
admin=${FOREBAY_ADMIN:-127.0.0.1:10009}
key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==

mkdir -p "$data"
"$binary" serve --dev --data "$data" --listen "$listen" --admin "$admin" > >(
    while IFS= read -r line; do
        echo "$line"
        case "$line" in "forebay ready "*) ;; *) continue ;; esac
        blob=${line#*blob=}; blob=${blob%% *}
        admin_url=${line#*admin=}
        cat <<TEXT

Blob endpoint      $blob/devstoreaccount1
Admin endpoint     $admin_url/healthz/ready
                   curl -H "Authorization: Bearer \$(cat $data/admin.token)" $admin_url/metrics
                   $binary account list --admin ${admin_url#http://} --data $data
Data directory     $data

Paste, in another terminal, in this directory:
  export AZURE_STORAGE_CONNECTION_STRING='DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=$key;BlobEndpoint=$blob/devstoreaccount1;'
  .venv-e2e/bin/python scripts/tree.py upload docs demo && .venv-e2e/bin/python scripts/tree.py list demo && .venv-e2e/bin/python scripts/tree.py download demo /tmp/docs-again && diff -r docs /tmp/docs-again

With rclone:
  export RCLONE_AZUREBLOB_USE_EMULATOR=true RCLONE_AZUREBLOB_ENDPOINT=$blob/devstoreaccount1
  rclone mkdir :azureblob:tree && rclone copy docs :azureblob:tree && rclone check docs :azureblob:tree

Ctrl-C stops the node.
TEXT
    done
) &
node=$!
trap 'kill -TERM "$node" 2>/dev/null || true' INT TERM
status=0
wait "$node" || status=$?
# A trapped signal ends the first wait early: wait for the drain.
while kill -0 "$node" 2>/dev/null; do wait "$node" || status=$?; done
exit "$status"
