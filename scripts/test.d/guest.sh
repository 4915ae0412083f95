# Runs in the virtual machine: the programs of DIRECTORY/list, one after the other; what they print and how they end
# goes to DIRECTORY. Two tests at a time, one a processor: the containers' own grace periods are not stretched.
directory=$1
while read -r -u 3 name home file; do
    start=$SECONDS
    log=$directory/${name//\//-}
    (cd "$home" && exec env RUST_BACKTRACE=1 RUST_TEST_THREADS=2 "CARGO_MANIFEST_DIR=$home" timeout --kill-after=60 1500 "$file") \
        >"$log" 2>&1 </dev/null
    echo $? >"$log.status"
    echo $((SECONDS - start)) >"$log.seconds"
    echo "$name ended with $(cat "$log.status") after $((SECONDS - start)) s"
done 3<"$directory/list"
