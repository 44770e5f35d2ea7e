// SPDX-License-Identifier: Apache-2.0

package main

// store is where the data of the contenders lies.
type store struct {
	name string
	make func(dir string) error
}

const (
	tmpfs = "tmpfs"
	slow  = "XFS, 50 us latency"
)

var stores = []store{
	{tmpfs, func(dir string) error {
		_, err := output("mount", "-t", "tmpfs", "-o", "size=4G", "bench", dir)
		return err
	}},
	{slow, slowXFS},
}

// slowXFS is a file system on a device of memory that answers by a timer.
func slowXFS(dir string) error {
	if err := configNull("nullbx", map[string]int{"memory_backed": 1, "blocksize": 4096, "size": 4 << 10, "irqmode": 2,
		"completion_nsec": 50000}); err != nil {
		return err
	}
	if _, err := output("mkfs.xfs", "-q", "/dev/nullbx"); err != nil {
		return err
	}
	_, err := output("mount", "/dev/nullbx", dir)
	return err
}
