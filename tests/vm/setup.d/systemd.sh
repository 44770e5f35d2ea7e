# SPDX-License-Identifier: Apache-2.0
# systemd and udev of the guest, cut down to what a service with device nodes needs: each job of a
# whole system's boot costs a tenth of a second or more under emulation.

wanted_units='journald|udevd|udev-trigger|tmpfiles-setup|kmod-static-nodes'

# configure_systemd ROOT
configure_systemd() {
	local root=$1 units=$1/usr/lib/systemd
	find "$units/system" -path '*.target.wants/*' | grep -vE "$wanted_units" | xargs rm
	find "$units/system-generators" ! -type d ! -name systemd-fstab-generator -delete
	rm -rf "$units"/system-environment-generators
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id" # not a first boot
	printf '%s:x:%d:\n' input 990 kvm 991 render 992 sgx 993 clock 994 systemd-journal 995 >>"$root/etc/group"
	quiet_journal "$root/etc/systemd"
	few_devices "$root/etc/systemd/system/systemd-udev-trigger.service.d"
}

quiet_journal() {
	mkdir -p "$1/journald.conf.d"
	printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' >"$1/journald.conf.d/volatile.conf"
}

# few_devices FOLDER: of the hundreds of devices of an empty machine, udev is told of these.
few_devices() {
	mkdir -p "$1"
	cat >"$1/few.conf" <<-END
		[Service]
		ExecStart=
		ExecStart=udevadm trigger --type=devices --action=add --subsystem-match=block --subsystem-match=misc
	END
}
