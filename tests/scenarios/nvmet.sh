# SPDX-License-Identifier: Apache-2.0
# Our device as the namespace of an NVMe target on this machine, the one way to
# append from user space; sourced after lib.sh.
modprobe nvme-loop
modprobe nvmet
nvmet=/sys/kernel/config/nvmet
uuid=4c1c7e7e-6a5b-4d0f-9c3a-0d5f9a3b7e11

# target: exports dev; sets nvme to the namespace's block device and generic to
# its character device.
target() {
	mkdir "$nvmet/subsystems/t"
	echo 1 >"$nvmet/subsystems/t/attr_allow_any_host"
	mkdir "$nvmet/subsystems/t/namespaces/1"
	echo "$dev" >"$nvmet/subsystems/t/namespaces/1/device_path"
	echo 1 >"$nvmet/subsystems/t/namespaces/1/enable"
	mkdir "$nvmet/ports/1"
	echo loop >"$nvmet/ports/1/addr_trtype"
	ln -s "$nvmet/subsystems/t" "$nvmet/ports/1/subsystems/t"
	nvme connect -t loop -n t --hostnqn=nqn.2014-08.org.nvmexpress:uuid:$uuid --hostid=$uuid >/dev/null
	eventually 30 [ -b /dev/nvme0n1 ]
	nvme=/dev/nvme0n1 generic=/dev/ng0n1
}

untarget() {
	nvme disconnect -n t >/dev/null
	rm "$nvmet/ports/1/subsystems/t"
	rmdir "$nvmet/ports/1" "$nvmet/subsystems/t/namespaces/1" "$nvmet/subsystems/t"
}
