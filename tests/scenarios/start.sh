# SPDX-License-Identifier: Apache-2.0
# SIGKILL of the daemon while it brings its device up, at any moment: the next
# one serves the image, and nothing stays behind. With recovery the kernel has a
# window of its own, while it starts the device; that one is left out here.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/death.sh"
load_driver
kills=8
[ "$SIZE" = full ] && kills=200

now() { date +%s%N; }
zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M disk.qcow2 >/dev/null

# sleep_ns N
sleep_ns() { sleep "$(printf '%d.%09d' $(($1 / 1000000000)) $(($1 % 1000000000)))"; }

# How long it takes, when it is not the first time.
for turn in cold warm; do
	began=$(now)
	zqublkd --log-level debug serve disk.qcow2 --recovery=reissue 2>log &
	pid=$!
	until [ -S /run/zqublkd/0/control.sock ]; do sleep 0.005; done
	took=$(($(now) - began))
	kill $pid
	wait $pid
done
say "up after $((took / 1000000)) ms, of which the driver's start took $(sed -n 's/.*started the device" took=//p' log)"

# starting PID: its device is being started by the driver right now.
starting() { pgrep -P "$1" >/dev/null; }

clean=0 skipped=0
# killed RECOVERY NANOSECONDS
killed() {
	zqublkd serve disk.qcow2 --recovery="$1" 2>/dev/null &
	pid=$!
	sleep_ns "$2"
	kill -STOP $pid 2>/dev/null
	if [ "$1" = reissue ] && starting $pid; then
		kill -CONT $pid
		until_ok [ -S /run/zqublkd/0/control.sock ]
		skipped=$((skipped + 1))
	fi
	kill -KILL $pid
	wait $pid 2>/dev/null || true
	clean=$((clean + 1))
}

for recovery in off reissue; do
	clean=0 skipped=0
	for ((i = 0; i < kills; i++)); do
		killed $recovery $((took * i / kills))
		add disk.qcow2 --recovery=off
		equal "devices after kill $i" "$(ls /sys/class/ublk-char)" "ublkc$id"
		dd if="$dev" of=/dev/null bs=64k count=1 iflag=direct status=none
		del
		until_ok no_devices
		leftovers
	done
	pass "$clean kills during the start with --recovery=$recovery, $skipped of them put off past the driver's own window"
done
verify_image disk.qcow2
