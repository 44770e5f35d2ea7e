# SPDX-License-Identifier: Apache-2.0
# Finds the virtio ports by name: ${port[NAME]} is the device.
declare -A port
for dir in /sys/class/virtio-ports/*; do
	read -r name <"$dir/name"
	port[$name]=/dev/${dir##*/}
done
