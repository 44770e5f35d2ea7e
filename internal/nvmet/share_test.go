// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	disk  = Device{Node: "/dev/ublkb0", Name: "data"}
	other = Device{Node: "/dev/ublkb1", Name: "other disk"}
)

const hostA, hostB = "nqn.2014-08.org.nvmexpress:uuid:aaaa", "nqn.2014-08.org.nvmexpress:uuid:bbbb"

func overTCP(hosts ...string) Share {
	return Share{Transport: TCP, Address: "10.0.0.1:4420", Hosts: hosts}
}

func TestAddAndRemove(t *testing.T) {
	for name, s := range map[string]Share{
		"tcp, any host": overTCP(), "tcp, two hosts": overTCP(hostB, hostA, hostB), "loop": {Transport: Loop},
		"IPv6": {Transport: TCP, Address: "[fd00::1]:4420", Hosts: []string{hostA}},
	} {
		t.Run(name, func(t *testing.T) {
			target, f := newFake(t)
			before := f.state()
			got, err := target.Add(disk, s)
			if err != nil {
				t.Fatal(err)
			}
			list := target.Shares(disk.Node)
			if len(list) != 1 || fmt.Sprint(list[0]) != fmt.Sprint(got) || list[0].NQN != "nqn.2026-11.zqublkd:machine:data" {
				t.Errorf("shares %+v, want %+v", list, got)
			}
			for _, h := range got.Hosts {
				if to, err := os.Readlink(target.allowed(got.NQN, h)); err != nil || to != target.host(h) {
					t.Errorf("host %s: %q, %v", h, to, err)
				}
			}
			after, steps := f.state(), f.steps
			if _, err := target.Add(disk, s); err != nil || f.state() != after || f.steps != steps {
				t.Errorf("a second time: %v, %d steps more, now\n%s", err, f.steps-steps, f.state())
			}
			if err := target.Remove(disk); err != nil || f.state() != before {
				t.Errorf("removed: %v, left\n%s", err, f.state())
			}
			if err := target.Remove(disk); err != nil {
				t.Errorf("removed a second time: %v", err)
			}
		})
	}
}

// TestAddFails breaks each step: what was there before is there again, and nothing more.
func TestAddFails(t *testing.T) {
	target, f := newFake(t)
	if _, err := target.Add(disk, overTCP(hostA, hostB)); err != nil {
		t.Fatal(err)
	}
	steps := f.steps
	if steps < 12 {
		t.Fatalf("only %d steps: %q", steps, f.log)
	}
	for n := 1; n <= steps; n++ {
		target, f := newFake(t)
		f.byHand("nqn.by.hand", "/dev/sda", "1", "10.0.0.9")
		f.mkdir(target.host(hostB)) // known already: stays
		before := f.state()
		f.steps, f.failAt = 0, n
		_, err := target.Add(disk, overTCP(hostA, hostB))
		if n == steps { // one fewer: a host was there
			continue
		}
		if !errors.Is(err, unix.EIO) && !errors.Is(err, ErrDisk) {
			t.Errorf("step %d: %v", n, err)
		}
		if f.state() != before {
			t.Errorf("step %d (%s) failed, and left\n%s\ninstead of\n%s", n, f.log[n-1], f.state(), before)
		}
	}
}

// TestAddKilled stops for good at each step, as SIGKILL does: the next Add, or Remove, goes on.
func TestAddKilled(t *testing.T) {
	for n := 1; ; n++ {
		target, f := newFake(t)
		before := f.state()
		whole := func() (killed bool) {
			defer func() { killed = recover() != nil }()
			target.tree = dying{f, n}
			target.Add(disk, overTCP(hostA))
			return false
		}
		killed := whole()
		target.tree = f
		left := f.state()
		if err := target.Remove(disk); err != nil {
			t.Errorf("killed at step %d: remove: %v", n, err)
		}
		if s := strings.ReplaceAll(f.state(), "\nhosts/"+hostA+"/dhchap_key=", ""); s != before && s != strings.Replace(before, "\nhosts", "\nhosts\nhosts/"+hostA, 1) {
			t.Errorf("killed at step %d, removed, left\n%s", n, f.state())
		}
		if !killed {
			break
		}
		target, f = newFake(t)
		target.tree = dying{f, n}
		whole()
		target.tree = f
		if _, err := target.Add(disk, overTCP(hostA)); err != nil {
			t.Errorf("killed at step %d, again: %v; it was\n%s", n, err, left)
		}
	}
}

// dying panics before a step.
type dying struct {
	*fakeKernel
	at int
}

func (d dying) die() {
	if d.steps+1 == d.at {
		panic("killed")
	}
}
func (d dying) mkdir(path string) error    { d.die(); return d.fakeKernel.mkdir(path) }
func (d dying) write(path, v string) error { d.die(); return d.fakeKernel.write(path, v) }
func (d dying) link(to, path string) error { d.die(); return d.fakeKernel.link(to, path) }

func TestAddRefused(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*Target, *fakeKernel)
		d      Device
		s      Share
		want   error
		says   string
	}{
		"other address": {func(tg *Target, f *fakeKernel) { tg.Add(disk, Share{Transport: TCP, Address: "10.0.0.2:4420"}) }, disk, overTCP(), ErrShared, "unshare /dev/ublkb0"},
		"other hosts":   {func(tg *Target, f *fakeKernel) { tg.Add(disk, overTCP(hostA)) }, disk, overTCP(), ErrShared, hostA},
		"by hand":       {func(tg *Target, f *fakeKernel) { f.byHand("t", disk.Node, "1", "10.0.0.9") }, disk, overTCP(), ErrShared, "namespace 1 of t by hand"},
		"same name":     {func(tg *Target, f *fakeKernel) { tg.Add(Device{"/dev/ublkb7", "data"}, overTCP()) }, disk, overTCP(), ErrShared, "unshare /dev/ublkb7"},
		"no address":    {nil, disk, Share{Transport: TCP, Address: "10.0.0.1"}, ErrSpec, "10.0.0.1:4420"},
		"host with /":   {nil, disk, overTCP("nqn.../../x"), ErrSpec, "slash"},
		"no module": {func(tg *Target, f *fakeKernel) {
			tg.load = func(m string) error { return fmt.Errorf("%w: no module %s", ErrKernel, m) }
		}, disk, overTCP(), ErrKernel, "no module nvmet"},
		"no configfs":     {func(tg *Target, f *fakeKernel) { os.RemoveAll(f.root) }, disk, overTCP(), ErrKernel, "mount -t configfs"},
		"not our address": {func(tg *Target, f *fakeKernel) { f.failAt, f.err = 14, unix.EADDRNOTAVAIL }, disk, overTCP(), ErrSpec, "no such address"},
		"port in use":     {func(tg *Target, f *fakeKernel) { f.failAt, f.err = 14, unix.EADDRINUSE }, disk, overTCP(), ErrSpec, "listens there"},
		"kernel says no":  {func(tg *Target, f *fakeKernel) { f.failAt, f.err = 8, unix.EINVAL }, disk, overTCP(), ErrDisk, "dmesg"},
	} {
		t.Run(name, func(t *testing.T) {
			target, f := newFake(t)
			if c.before != nil {
				c.before(target, f)
			}
			before := ""
			if exists(f.root) {
				before = f.state()
			}
			_, err := target.Add(c.d, c.s)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v, %q; steps %q", err, c.want, c.says, f.log)
			}
			if exists(f.root) && f.state() != before {
				t.Errorf("it left\n%s", f.state())
			}
		})
	}
}

// TestPorts: shares of one address have one port, which goes with the last; those of others stay.
func TestPorts(t *testing.T) {
	target, f := newFake(t)
	f.byHand("by.hand", "/dev/sda", "1", "10.0.0.9")
	before := f.state()
	far := Share{Transport: TCP, Address: "10.0.0.9:4420"}
	for _, step := range []struct {
		d     Device
		s     Share
		ports []string
	}{{disk, overTCP(), []string{"1", "26000"}}, {other, overTCP(), []string{"1", "26000"}},
		{Device{"/dev/ublkb2", "x"}, far, []string{"1", "26000"}}, {Device{"/dev/ublkb3", "y"}, Share{Transport: Loop}, []string{"1", "26000", "26001"}}} {
		if _, err := target.Add(step.d, step.s); err != nil {
			t.Fatal(err)
		}
		if got := names(filepath.Join(f.root, "ports")); !slices.Equal(got, step.ports) {
			t.Errorf("ports %v, want %v", got, step.ports)
		}
	}
	if got := target.Shares(other.Node); len(got) != 1 || got[0].NQN != Prefix+"machine:other%20disk" {
		t.Errorf("%+v", got)
	}
	for _, d := range []Device{disk, {Name: other.Name}, {Node: "/dev/ublkb2"}, {"/dev/ublkb3", "y"}} {
		if err := target.Remove(d); err != nil {
			t.Error(err)
		}
	}
	if f.state() != before {
		t.Errorf("left\n%s", f.state())
	}
}

// TestHostsOfOthers: a host with a key, or of another subsystem, is not forgotten.
func TestHostsOfOthers(t *testing.T) {
	target, f := newFake(t)
	f.mkdir(target.host(hostB))
	f.write(target.host(hostB)+"/dhchap_key", "DHHC-1:00:x:")
	target.Add(disk, overTCP(hostA, hostB))
	target.Add(other, overTCP(hostA))
	if err := target.Remove(disk); err != nil {
		t.Fatal(err)
	}
	if got := names(filepath.Join(f.root, "hosts")); !slices.Equal(got, []string{hostA, hostB}) {
		t.Errorf("hosts %v", got)
	}
}
