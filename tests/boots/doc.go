// SPDX-License-Identifier: Apache-2.0

// Package boots starts a machine with systemd again and again, with images
// that its table, its fstab and people's hands bring up, and lets it power off
// as machines do: nothing may be lost, and no unit may be dropped for the order.
package boots
