# SPDX-License-Identifier: Apache-2.0
# Every command of docs/cookbook.md, in its order.
. "$(dirname "$0")/lib.sh"
load_driver
page=/opt/zqublkd/cookbook.md
mkdir -p /mnt
ran=0 section= skip=
while IFS= read -r line; do
	case $line in
	'## '*'(Linux '*)
		section=${line#\#\# }
		needs=$(sed -E 's/.*\(Linux ([0-9.]+)\).*/\1/' <<<"$line") skip=
		[ "$(printf '%s\n' "$needs" "$kernel" | sort -V | head -1)" = "$needs" ] || skip=1
		;;
	'## '*) section=${line#\#\# } skip= ;;
	'    '*)
		[ -z "$skip" ] || continue
		say "$section: ${line#    }"
		eval "${line#    }" >out 2>&1 </dev/null || die "$section: ${line#    }: $(<out)"
		ran=$((ran + 1))
		;;
	esac
done <$page
((ran >= 60)) || die "only $ran commands in $page"
pass "$ran commands"
for image in *.qcow2; do
	zqublkd check "$image" >out || die "check $image: $(<out)"
done
qemu-img check -q plain.qcow2
qemu-img check -q small.qcow2
leftovers
pass "done"
