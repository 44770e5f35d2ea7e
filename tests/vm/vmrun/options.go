// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"

	"zqublkd/tests/vm"
)

const usage = `usage: vmrun [options] COMMAND [ARGUMENT...]

Boots a Debian kernel in an emulated machine and runs COMMAND in it. Output comes as it is written, and
the exit status is the command's, or 123: the guest's kernel complained, 124: time limit reached,
125: the machine could not be run or went down. Files left in the guest's /out come back.

`

type options struct {
	config vm.Config
	argv   []string
	times  bool
	accel  bool
}

func parse(args []string) (options, error) {
	var o options
	var udev, systemd bool
	c := &o.config
	flags := flag.NewFlagSet("vmrun", flag.ExitOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&c.Kernel, "kernel", vm.Linux6_12, "`series` of the kernel: 6.12, 7.3 or 6.1")
	flags.IntVar(&c.CPUs, "cpus", 2, "CPUs")
	flags.IntVar(&c.MemoryMiB, "memory", 2048, "memory in `MiB`")
	flags.DurationVar(&c.Limit, "limit", 0, "time limit from power-on (default 5m)")
	flags.StringVar(&c.Out, "out", "", "`folder` that gets the guest's /out")
	flags.StringVar(&c.Append, "append", "", "`words` added to the kernel's command line")
	flags.BoolVar(&udev, "udev", false, "run udev in the guest")
	flags.BoolVar(&systemd, "systemd", false, "run systemd in the guest")
	flags.BoolVar(&o.times, "times", false, "say how long it took")
	flags.BoolVar(&o.accel, "accel", false, "say what machines run on here, and run none")
	flags.Func("file", "file or folder to take along, `PATH[:NAME]`, as /opt/zqublkd/NAME, which is in PATH; repeatable", list(&c.Files))
	flags.Func("disk", "raw image `PATH[:ro]` as /dev/vdd, /dev/vde ...; repeatable", list(&c.Disks))
	flags.Func("env", "`NAME=value` for the command; repeatable", list(&c.Env))
	flags.Func("allow", "`pattern` (RE2) of a kernel complaint that is expected; repeatable", func(text string) error {
		pattern, err := regexp.Compile(text)
		c.Allow = append(c.Allow, pattern)
		return err
	})
	flags.Func("log", "`file` that gets the kernel's log; /dev/stderr to see it", func(path string) (err error) {
		c.KernelLog, err = os.Create(path)
		return err
	})
	err := flags.Parse(args)
	c.Boot = style(udev, systemd)
	c.Stdout, c.Stderr, o.argv = os.Stdout, os.Stderr, flags.Args()
	return o, err
}

func list(to *[]string) func(string) error {
	return func(text string) error {
		*to = append(*to, text)
		return nil
	}
}

func style(udev, systemd bool) vm.BootStyle {
	switch {
	case systemd:
		return vm.BootSystemd
	case udev:
		return vm.BootUdev
	}
	return vm.BootPlain
}
