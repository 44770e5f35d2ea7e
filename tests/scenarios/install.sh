# SPDX-License-Identifier: Apache-2.0
# What `make install` does, in a machine that was given the program and the folder systemd.
(
	files=/opt/zqublkd/systemd
	install -D /opt/zqublkd/zqublkd /usr/bin/zqublkd
	install -D -m 644 -t /usr/lib/systemd/system "$files"/zqublkd@.service "$files"/zqublkd-failed@.service \
		"$files"/zqublkd-metrics.service
	install -D -m 644 "$files"/zqublkd.modules-load.conf /usr/lib/modules-load.d/zqublkd.conf
	install -D -m 644 -t /usr/lib/udev/rules.d "$files"/60-zqublkd.rules
	mkdir -p /usr/lib/systemd/system-generators
	ln -sf /usr/bin/zqublkd /usr/lib/systemd/system-generators/zqublkd-generator
)
