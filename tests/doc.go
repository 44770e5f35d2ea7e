// SPDX-License-Identifier: Apache-2.0

// Package tests holds the end-to-end scenarios: shell scripts that run as root
// in a virtual machine with a real kernel and work on /dev/ublkb0 with tools
// this project did not write. They need the tag vm and `make deps`.
package tests
