# A device that comes and goes a hundred times leaves nothing behind.
. "$(dirname "$0")/lib.sh"
load_driver

cycles=100
zqublkd create -o size=64M,zone.mode=host-managed,zone.size=8M disk.qcow2 >/dev/null

# traces: threads of user space, io_uring's workers among them, and files.
traces() {
	ps --ppid 2 -p 2 -N -Lo comm= >/tmp/threads
	sort /tmp/threads
	find /tmp /run /dev ! -path "$work/traces*"
	ls /sys/class/ublk-char /sys/block
}

add disk.qcow2 && del # what stays once, like the run directory
traces >traces.before
for ((i = 0; i < cycles; i++)); do
	add disk.qcow2
	equal "device in cycle $i" "$dev" /dev/ublkb0
	del
done
leftovers
traces >traces.after
diff traces.before traces.after || die "$cycles cycles left traces"
pass "$cycles times add and del"
