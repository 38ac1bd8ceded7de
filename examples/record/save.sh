#!/bin/sh
# So many requests to a Redis with 100 MB, with a BGSAVE each second or none: save.sh save|none [REQUESTS]
folder=$(mktemp -d)
redis-server --port 7379 --save "" --appendonly no --dir "$folder" --logfile "$folder/log" &
server=$!
until redis-cli -p 7379 ping > "$folder/ping" 2>&1; do sleep 0.05; done
redis-cli -p 7379 debug populate 100000 key 1000 > "$folder/filled"
begun=$(date +%s%N)
redis-benchmark -p 7379 -t set -n "${2:-100000}" -r 100000 -d 1000 -q > "$folder/result" &
client=$!
while [ "$1" = save ] && kill -0 $client 2> "$folder/ended"; do
  redis-cli -p 7379 bgsave > "$folder/saved"
  sleep 1
done
wait $client
echo "$((($(date +%s%N) - begun) / 1000000)) ms"
redis-cli -p 7379 shutdown nosave
wait $server
rm -r "$folder"
