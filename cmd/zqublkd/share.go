// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/blkdev"
	"zqublkd/internal/devicelist"
	"zqublkd/internal/devname"
	"zqublkd/internal/nvmet"
	"zqublkd/internal/server"
	"zqublkd/ublk"
)

func newShare() *cobra.Command {
	var s nvmet.Share
	var loop, anyHost bool
	var runDir string
	c := &cobra.Command{
		Use:   "share DEVICE {--nvme-tcp ADDR:PORT | --nvme-loop} [--host NQN]...",
		Short: "Share a device with other machines, by the kernel's NVMe target; prints its NQN",
		Long: `Share a device with other machines, by the kernel's NVMe target; prints the NQN
that they connect to. A zoned device is a ZNS namespace there; conventional zones
can't be shared, nor what this machine itself has mounted. Who may connect is a
matter of the NQN that a host says it has (/etc/nvme/hostnqn), and all goes over the
network as it is: use a network of which you know who is on it.

A share lasts until unshare, del --force, or the end of the machine; the death of
the device's daemon is no end of it (with --recovery=reissue). What is shared so
already stays as it is.

` + deviceHelp,
		Example: `  zqublkd share disk.qcow2 --nvme-tcp 10.0.0.1:4420 --host "$(cat /etc/nvme/hostnqn)"
  nvme connect -t tcp -a 10.0.0.1 -s 4420 -n NQN        # on that host`,
		Args: exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := shareOf(&s, loop, anyHost); err != nil {
				return usageError{err}
			}
			d, err := sharable(runDir, args[0])
			if err != nil {
				return err
			}
			s, err = nvmet.Kernel().Add(d, s)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), s.NQN)
			}
			return err
		},
	}
	c.Flags().StringVar(&s.Address, "nvme-tcp", "", "over TCP, at an address `ADDR:PORT` of this machine")
	c.Flags().BoolVar(&loop, "nvme-loop", false, "with this machine alone")
	c.Flags().StringArrayVar(&s.Hosts, "host", nil, "only with the host of this `NQN`; repeatable")
	c.Flags().BoolVar(&anyHost, "any-host", false, "with every host that reaches the address")
	addRunDir(c, &runDir)
	return c
}

// shareOf makes a share of the flags. Writing to a disk is not for everyone, unless that is said.
func shareOf(s *nvmet.Share, loop, anyHost bool) (err error) {
	switch {
	case loop == (s.Address != ""):
		return errors.New("share: give one of --nvme-tcp ADDR:PORT and --nvme-loop")
	case loop:
		s.Transport = nvmet.Loop
	default:
		s.Transport = nvmet.TCP
		if s.Address, err = nvmet.Address(s.Address); err != nil {
			return err
		}
	}
	if anyHost && len(s.Hosts) > 0 {
		return errors.New("share: --any-host and --host exclude each other")
	}
	if !anyHost && len(s.Hosts) == 0 && !s.OnlyHere() {
		return fmt.Errorf("share: whoever reaches %s could write to the device: name who may with --host NQN, or say --any-host", s.Address)
	}
	return nil
}

// sharable finds a device and judges whether the kernel's target can take it. A device without a
// living daemon answers nobody, and is not asked.
func sharable(runDir, arg string) (nvmet.Device, error) {
	id, err := resolve(runDir, arg)
	if err != nil {
		return nvmet.Device{}, err
	}
	r, err := server.ReadRecord(runDir, id)
	if errors.Is(err, fs.ErrNotExist) {
		return nvmet.Device{}, server.NotOurs(runDir, id)
	}
	if err != nil {
		return nvmet.Device{}, err
	}
	if d := devicelist.Look(runDir, r); d.State != "live" && d.State != "read-only" {
		return nvmet.Device{}, fmt.Errorf("%s is %s: only a device that is live can be shared", r.Node, d.State)
	}
	d, err := sharedDisk(r)
	if errors.Is(err, unix.EBUSY) { // the target would share it all the same
		holders, _ := server.Holders(id)
		return nvmet.Device{}, codeError{fmt.Errorf("%s is in use on this machine (%s), and other machines would write over that: end it first",
			r.Node, strings.Join(holders, ", ")), exitInUse}
	}
	if err == nil {
		err = d.Check()
	}
	return nvmet.Device{Node: r.Node, Name: r.Name}, err
}

func sharedDisk(r server.Record) (d nvmet.Disk, err error) {
	d = nvmet.Disk{Node: r.Node, ReadOnly: r.ReadOnly, Zoned: r.Zoned}
	if r.ReadOnly {
		return d, nil
	}
	node, err := blkdev.Open(r.Node, unix.O_RDONLY|unix.O_EXCL) // EBUSY: somebody has it for himself
	if err != nil {
		return d, err
	}
	defer node.Close()
	if !r.Zoned {
		return d, nil
	}
	if d.AppendBytes, err = node.Number("zone_append_max_bytes"); err != nil {
		return d, err
	}
	zones, err := node.Zones()
	for _, z := range zones {
		d.ZoneBytes = max(d.ZoneBytes, z.Length)
		d.Bytes = z.Start + z.Length
		if z.Conventional {
			d.Conventional++
		}
	}
	return d, err
}

func newUnshare() *cobra.Command {
	var runDir string
	c := &cobra.Command{
		Use:   "unshare DEVICE",
		Short: "End what share began: the hosts that use the device lose it",
		Long: `End what share began: the hosts that use the device lose it, so let them unmount and
disconnect before. What is not shared stays as it is. A share whose device is gone is
named by that device's number, node or name.

` + deviceHelp,
		Example: "  zqublkd unshare disk.qcow2",
		Args:    exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := shared(runDir, args[0])
			if err != nil {
				return err
			}
			return nvmet.Kernel().Remove(d)
		},
	}
	addRunDir(c, &runDir)
	return c
}

// shared finds the device of a share; it may be gone.
func shared(runDir, arg string) (nvmet.Device, error) {
	id, err := resolve(runDir, arg)
	if err != nil {
		gone := nvmet.Device{Name: arg}
		if devname.Check(arg) == nil && len(nvmet.Kernel().Find(gone)) > 0 {
			return gone, nil
		}
		return gone, err
	}
	d := nvmet.Device{Node: ublk.BlockPath(id)}
	if r, err := server.ReadRecord(runDir, id); err == nil {
		d.Name = r.Name
	}
	if len(nvmet.Kernel().Find(d)) == 0 {
		return d, nil
	}
	return d, server.NotHung(runDir, id) // the target would wait for requests that nobody answers
}

// deleteShared deletes a device in use, and ends its share, which would keep its number. The target
// waits for the requests that it has under way; those that nobody answers end with the device, so
// that goes first then.
func deleteShared(runDir string, id uint32) error {
	r, err := server.ReadRecord(runDir, id)
	d := nvmet.Device{Node: r.Node, Name: r.Name}
	if err != nil || len(nvmet.Kernel().Find(d)) == 0 {
		return server.Delete(runDir, id, true)
	}
	if server.NotHung(runDir, id) == nil {
		if err := nvmet.Kernel().Remove(d); err != nil {
			return err
		}
		return server.Delete(runDir, id, true)
	}
	if err := server.Delete(runDir, id, true); err != nil && !errors.Is(err, server.ErrLinger) {
		return err
	}
	return nvmet.Kernel().Remove(d)
}
