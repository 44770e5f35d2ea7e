#!/bin/bash
# Boots each kernel once and measures: tests/bench/run.sh [--kernels "6.12 7.3"] [options of `bench run`]
# The results are docs/bench/KERNEL.json and docs/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
kernels="6.12 7.3" out=docs/bench
while [ $# -gt 0 ]; do
	case $1 in
	--kernels) kernels=$2; shift 2 ;;
	--out) out=$2; shift 2 ;;
	*) break ;;
	esac
done
tests/vm/setup guest kublk $(printf 'kernel-%s ' $kernels)
kublk=${ZQUBLKD_VM_CACHE:-/var/cache/zqublkd-vm}/kublk/kublk
CGO_ENABLED=0 go build -o bin/bench ./tests/bench
machine="QEMU software emulation, 2 CPUs, host with $(nproc) CPUs ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1))"
mkdir -p "$out"
for k in $kernels; do
	tests/vm/run --kernel "$k" --memory 8192 --limit 3h --out "bin/bench-$k" \
		--file bin/zqublkd --file bin/bench --file "$kublk" \
		sh -c 'modprobe ublk_drv; modprobe loop; modprobe nbd; modprobe null_blk nr_devices=0; shift 0; exec bench run -out /out/bench.json "$@"' bench -machine "$machine" "$@"
	cp "bin/bench-$k/bench.json" "$out/$k.json"
done
bin/bench render "$out"
