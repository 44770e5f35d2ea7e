// SPDX-License-Identifier: Apache-2.0

package ublk

import "fmt"

// ControlPath is the driver's control node.
const ControlPath = "/dev/ublk-control"

// CharPath is the char node of device id.
func CharPath(id uint32) string { return fmt.Sprintf("/dev/ublkc%d", id) }

// BlockPath is the disk of device id; it exists while the device is started.
func BlockPath(id uint32) string { return fmt.Sprintf("/dev/ublkb%d", id) }

// SysPath is the disk's directory in sysfs.
func SysPath(id uint32) string { return fmt.Sprintf("/sys/block/ublkb%d", id) }
