#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures natively and in one boot of each kernel, and keeps the results in
# docs/bench/KERNEL.json and docs/benchmarks.md, in place of earlier ones:
#	tests/bench/run.sh [--kernels "native 6.12 7.3"] [--out DIR] [options of `bench run`]
#	tests/bench/run.sh --kernels 7.3 -gates -stores tmpfs
# Another build of the program, the file in OTHER, is measured beside this one:
#	OTHER=/tmp/zqublkd tests/bench/run.sh --kernels 7.3 --out /tmp/compared -work 4K -who 'zqublkd$|other|kublk loop$'
set -euo pipefail
cd "$(dirname "$0")/../.."
kernels="native 6.12 7.3" out=docs/bench
while [ $# -gt 0 ]; do
	case $1 in
	--kernels) kernels=$2; shift 2 ;;
	--out) out=$2; shift 2 ;;
	*) break ;;
	esac
done
vms=${kernels//native/}
cpu=$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)
commit=$(git describe --always --dirty --exclude='*')
CGO_ENABLED=0 go build -o bin/bench ./tests/bench
mkdir -p "$out"
accel=
if [ -n "${vms// /}" ]; then
	tests/vm/setup guest kublk $(printf 'kernel-%s ' $vms)
	accel=$(tests/vm/run --accel) # probed once: all machines of a table are alike
	[ "$accel" = KVM ] && export ZQUBLKD_VM_ACCEL=kvm || export ZQUBLKD_VM_ACCEL=tcg
fi
kublk=${ZQUBLKD_VM_CACHE:-/var/cache/zqublkd-vm}/kublk/kublk
for k in $kernels; do
	rm -rf "bin/bench-$k"
	mkdir "bin/bench-$k"
	if [ "$k" = native ]; then
		PATH=$PWD/bin:$PATH bin/bench native -dir bin -machine "$cpu, $(nproc) CPUs" -commit "$commit" -out bin/bench-native/bench.json
	else
		tests/vm/run --kernel "$k" --memory 10240 --limit 3h --out "bin/bench-$k" \
			--file bin/zqublkd --file bin/bench --file "$kublk" ${OTHER:+--file "$OTHER:zqublkd-other"} \
			sh -c 'for m in ublk_drv loop nbd nvme-loop nvmet; do modprobe $m; done; modprobe null_blk nr_devices=0; exec bench run -out /out/bench.json "$@"' bench \
			-kernel "$k" -machine "$accel, 2 CPUs, on $cpu" -commit "$commit" "$@"
	fi
	bin/bench merge "$out/$k.json" "bin/bench-$k/bench.json"
done
bin/bench render "$out"
