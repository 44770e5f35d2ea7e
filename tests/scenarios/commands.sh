# SPDX-License-Identifier: Apache-2.0
# The commands of README.md, of the examples in zqublkd(8) and of those in each --help, as they are
# written. Each example of --help has a folder for itself, with what it speaks of in it; at small
# size they are left to TestExamples of cmd/zqublkd, which runs those that need no device.
. "$(dirname "$0")/lib.sh"
load_driver
modprobe -a btrfs f2fs zonefs
mkdir -p /mnt /srv

# pattern TEXT: a regular expression for it; numbers may be others.
pattern() { sed -E 's/[][\\.*^$(){}?+|/]/\\&/g; s/[0-9]+/[0-9]+/g' <<<"$1"; }

# shown COMMAND OUTPUT-LINE...: runs it; each of the lines must be in what it prints. It fails if the page shows an error.
shown() {
	local command=$1 code=0 line
	shift
	say "$command"
	eval "$command" >out 2>&1 </dev/null || code=$?
	if grep -q ' error ' <<<"$*"; then
		[ $code != 0 ] || die "$command: no error: $(<out)"
	else
		[ $code = 0 ] || die "$command: exit code $code: $(<out)"
	fi
	for line; do
		grep -Exq -- " *$(pattern "$line")" out || die "$command: the page shows '$line', there is: $(<out)"
	done
	ran=$((ran + 1))
}

# before COMMAND: what the page's reader has got, or has done, by then.
before() {
	case $1 in
	dd*) umount mnt ;;
	"zqublkd add --allow-backing debian.qcow2")
		zqublkd del all
		truncate -s 64M base.raw
		echo 2048,,L | sfdisk -q base.raw
		mkfs.ext4 -q -E offset=1048576 base.raw 63M
		qemu-img create -q -f qcow2 -b base.raw -F raw debian.qcow2
		;;
	esac
}

readme() {
	local command= lines=()
	ran=0
	while IFS= read -r line; do
		case $line in
		'    # '*)
			[ -z "$command" ] || shown "$command" "${lines[@]}"
			command=${line#    # } lines=()
			before "$command"
			;;
		'    '*) [ -z "$command" ] || lines+=("$(sed 's/^ *//' <<<"$line")") ;;
		*)
			[ -z "$command" ] || shown "$command" "${lines[@]}"
			command=
			;;
		esac
	done </opt/zqublkd/README.md
	((ran >= 15)) || die "only $ran commands in README.md"
	umount mnt
	zqublkd del all
	verify_image disk.qcow2
	pass "$ran commands of README.md"
}

manual() {
	ran=0
	mkdir manual
	cd manual
	while IFS= read -r line; do shown "$line"; done < <(sed -n '/^\.EX/,/^\.EE/{/^\./d;s/\\-/-/g;p}' /opt/zqublkd/zqublkd.8)
	((ran >= 5)) || die "only $ran commands in zqublkd.8"
	cd "$work"
	pass "$ran commands of zqublkd(8)"
}

# verbs WORD...: those of a program's, or a verb's, --help.
verbs() { zqublkd "$@" --help | sed -n '/^Available Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'; }

zoned() { zqublkd create -q -o "size=$1,zone.mode=host-managed,zone.size=$2,zone.conventional_zones=$3" "$4"; }

# broken IMAGE: a table of it is no table any more.
broken() {
	python3 - "$1" <<-'END'
		import struct, sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(40); l1, = struct.unpack(">Q", f.read(8))
		    f.seek(l1); l2, = struct.unpack(">Q", f.read(8))
		    f.seek(l2 & 0x00fffffffffffe00); f.write(b"\xff" * 512)
	END
}

# things VERB EXAMPLE: makes what the example speaks of.
things() {
	case $1 in
	create) ;;
	resize) zoned 8G 64M 0 disk.qcow2 ;;
	*) zoned 512M 8M 0 disk.qcow2 ;;
	esac
	zoned 128M 4M 8 golden.qcow2
	[ "$1" = create ] || zqublkd create -q -b golden.qcow2 overlay.qcow2
	cp golden.qcow2 /srv/golden.qcow2
	[ "$1" = create ] || [ "$1" = export ] || zqublkd create -q plain.qcow2 64M
	case $2 in
	*"snapshot create"*) ;;
	*before-upgrade*) zqublkd snapshot create plain.qcow2 before-upgrade ;;
	*broken*)
		qemu-io -f qcow2 -c 'write -P 7 0 64k' plain.qcow2 >/dev/null
		mv plain.qcow2 broken.qcow2
		broken broken.qcow2
		;;
	*my-disk*)
		zqublkd add --name my-disk golden.qcow2
		zqublkd add --id 3 plain.qcow2
		zqublkd add disk.qcow2
		;;
	"zqublkd zone set /dev"* | "zqublkd del"* | "zqublkd fault"* | "zqublkd list"* | "zqublkd top"* | "zqublkd trace"* | "zqublkd share"*)
		zqublkd add disk.qcow2
		;;
	"zqublkd powercut"*)
		zqublkd add disk.qcow2
		mkzonefs -f /dev/ublkb0
		mount -t zonefs /dev/ublkb0 /mnt
		;;
	"zqublkd replay"*)
		zqublkd add disk.qcow2
		zqublkd trace -o bug.trace /dev/ublkb0 &
		eventually 5 test -s bug.trace
		dd if=/dev/zero of=/dev/ublkb0 bs=64k count=4 oflag=direct
		kill -INT $!
		wait $!
		zqublkd del 0
		null_device
		;;
	*NQN* | "zqublkd unshare"*)
		zqublkd add disk.qcow2
		nqn=$(zqublkd share disk.qcow2 --nvme-tcp 10.0.0.1:4420 --host "$(</etc/nvme/hostnqn)")
		;;
	esac >before 2>&1
}

null_device() {
	modprobe null_blk nr_devices=0
	local c=/sys/kernel/config/nullb/nullb0
	mkdir -p $c
	echo 512 >$c/size
	echo 1 >$c/zoned
	echo 8 >$c/zone_size
	echo 1 >$c/memory_backed
	echo 4096 >$c/blocksize
	echo 1 >$c/power
	eventually 5 test -b /dev/nullb0
}

# on_terminal COMMAND: as a person at a terminal, who presses q after 3 seconds.
on_terminal() {
	python3 - "$1" <<-'END'
		import os, pty, select, sys, time
		pid, fd = pty.fork()
		if pid == 0:
		    os.environ["TERM"] = "xterm"
		    os.execvp("bash", ["bash", "-c", sys.argv[1]])
		typed, end = False, time.time() + 60
		while time.time() < end:
		    if not typed and time.time() > end - 57:
		        os.write(fd, b"q"); typed = True
		    if select.select([fd], [], [], 0.2)[0]:
		        try:
		            if not os.read(fd, 65536): break
		        except OSError: break
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
}

# example VERB COMMAND
example() {
	local code=0 want=0
	say "$2"
	mkdir "$work/one"
	cd "$work/one"
	things "$1" "$2"
	case $2 in
	*" top disk"*) on_terminal "$2" >out 2>&1 || code=$? ;;
	*) timeout 120 bash -mc "${2/NQN/${nqn:-}}" >out 2>&1 </dev/null || code=$? ;;
	esac
	[ "$1" != salvage ] || want=1 # something could not be read
	[ $code = $want ] || die "$2: exit code $code: $(cat before; tail -n 5 out)"
	case $2 in nvme*) nvme disconnect-all >/dev/null ;; esac
	mountpoint -q /mnt && umount /mnt
	[ -z "$(zqublkd list -n)" ] || zqublkd del --force all
	[ ! -d /sys/kernel/config/nullb/nullb0 ] || rmdir /sys/kernel/config/nullb/nullb0
	cd "$work"
	rm -rf "$work/one"
	ran=$((ran + 1))
}

# of_help WORD...: the examples of a verb, and of those it has.
of_help() {
	local line verb
	while IFS= read -r line; do example "$1" "$line"; done < <(zqublkd "$@" --help | sed -n '/^Examples:/,/^$/s/^  //p')
	for verb in $(verbs "$@"); do of_help "$@" "$verb"; done
}

help_texts() {
	local verb
	ran=0
	ip link set lo up
	ip address add 10.0.0.1/24 dev lo
	mkdir -p /etc/nvme
	echo 4c1c7e7e-6a5b-4d0f-9c3a-0d5f9a3b7e11 >/etc/nvme/hostid
	echo "nqn.2014-08.org.nvmexpress:uuid:$(</etc/nvme/hostid)" >/etc/nvme/hostnqn
	modprobe configfs
	modprobe nvme_core multipath=N
	modprobe nvme-tcp
	for verb in $(verbs); do
		[ "$verb" = completion ] || of_help "$verb"
	done
	((ran >= 40)) || die "only $ran examples"
	pass "$ran examples of --help"
}

readme
manual
[ "$SIZE" = small ] || help_texts
leftovers
pass "done"
