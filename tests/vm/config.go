// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"fmt"
	"io"
	"regexp"
	"time"
)

// The kernels tests/vm/setup provides, by release series.
const (
	Linux6_12 = "6.12" // Debian 12's security kernel: ublk with zones and user copy
	Linux7_3  = "7.3"  // Debian 13's backport: ublk with everything
	Linux6_1  = "6.1"  // Debian 12's own kernel: ublk without zones
)

// BootStyle says what runs in the guest beside the command.
type BootStyle string

const (
	BootPlain   BootStyle = "plain"   // nothing: fastest, device nodes by the kernel alone
	BootUdev    BootStyle = "udev"    // systemd-udevd
	BootSystemd BootStyle = "systemd" // systemd as process 1, with udev and journal
)

// Config describes a machine and what it is to be given. The zero value boots Linux 6.12 with two
// CPUs and 2048 MiB for at most five minutes.
type Config struct {
	Kernel    string    // release series, default Linux6_12
	CPUs      int       // default 2
	MemoryMiB int       // default 2048
	Boot      BootStyle // default BootPlain
	Append    string    // added to the kernel's command line

	// Files are paths of the host to take along, files or folders, "PATH" or "PATH:NAME"; they
	// appear read-only as /opt/zqublkd/NAME, the first folder of the guest's PATH.
	Files []string
	// Disks are raw images of the host, writable unless ":ro" follows, or "nbd:" and the socket of
	// an NBD server, which gets the guest's flushes; /dev/vdd, /dev/vde and so on.
	Disks []string
	Wire  *Wire    // to another machine; eth0 in the guest, which has no address yet
	Env   []string // "NAME=value", for the command

	Limit time.Duration    // from power-on; default five minutes
	Out   string           // folder of the host that gets the guest's /out; created; "" drops the files
	Allow []*regexp.Regexp // kernel complaints that are expected

	Stdout, Stderr io.Writer // get the command's output as it comes; nil drops it
	KernelLog      io.Writer // gets the kernel's log as it comes; nil drops it
}

func (c Config) withDefaults() Config {
	if c.Kernel == "" {
		c.Kernel = Linux6_12
	}
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.MemoryMiB == 0 {
		c.MemoryMiB = 2048
	}
	if c.Boot == "" {
		c.Boot = BootPlain
	}
	if c.Limit == 0 {
		c.Limit = 5 * time.Minute
	}
	for _, w := range []*io.Writer{&c.Stdout, &c.Stderr, &c.KernelLog} {
		if *w == nil {
			*w = io.Discard
		}
	}
	return c
}

func (c Config) validate() error {
	switch c.Boot {
	case BootPlain, BootUdev, BootSystemd:
	default:
		return fmt.Errorf("boot style %q: must be plain, udev or systemd", c.Boot)
	}
	if c.CPUs < 1 || c.MemoryMiB < 256 || c.Limit < 0 {
		return fmt.Errorf("%d CPUs, %d MiB, limit %v: a machine needs a CPU, 256 MiB and time", c.CPUs, c.MemoryMiB, c.Limit)
	}
	return nil
}
