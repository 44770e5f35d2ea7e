// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is what is shared.
type Device struct{ Node, Name string }

// Add shares a device. One that is shared so already stays as it is; what an earlier Add that was
// killed has left is cleared away first.
func (t *Target) Add(d Device, s Share) (Share, error) {
	if err := s.check(); err != nil {
		return s, err
	}
	s.NQN = t.NQN(d.Name)
	modules := []string{"nvmet", "nvmet-tcp"}
	if s.Transport == Loop {
		modules[1] = "nvme-loop"
	}
	unlock, err := t.open(modules...)
	if err != nil {
		return s, err
	}
	defer unlock()
	if same, err := t.already(d, s); same || err != nil {
		return s, err
	}
	for _, nqn := range t.Find(d) {
		if err := t.takeBack(nqn, t.hostsOf(nqn)); err != nil {
			return s, err
		}
	}
	made, err := t.make(d, s)
	if err != nil {
		err = fmt.Errorf("%s: %w", d.Node, err)
		return s, errors.Join(err, t.takeBack(s.NQN, made))
	}
	return s, nil
}

// already reports whether the device is shared as is wanted; otherwise is an error.
func (t *Target) already(d Device, want Share) (bool, error) {
	for _, e := range Exports(t.root) {
		if e.Path == d.Node && !strings.HasPrefix(e.Subsystem, Prefix) {
			return false, fmt.Errorf("%s: %w: somebody has made it namespace %s of %s by hand", d.Node, ErrShared, e.Namespace, e.Subsystem)
		}
	}
	if shares := t.Shares(d.Node); len(shares) > 0 { // there is one at most
		has := shares[0]
		same := has.String() == want.String() && slices.Equal(has.Hosts, want.Hosts) && has.NQN == want.NQN
		if same {
			return true, nil
		}
		return false, fmt.Errorf("%s: %w, over %s for %s: `zqublkd unshare %s` first", d.Node, ErrShared, has, has.Audience(), d.Node)
	}
	path := value(filepath.Join(t.space(want.NQN), "device_path"))
	if value(filepath.Join(t.space(want.NQN), "enable")) == "1" && path != d.Node {
		return false, fmt.Errorf("%s: %w: its name %q is that of %s, which is shared: `zqublkd unshare %s` first", d.Node, ErrShared, d.Name, path, path)
	}
	return false, nil
}

// make makes all that a share is made of; it returns the hosts that were not known before.
func (t *Target) make(d Device, s Share) (made []string, err error) {
	if err := t.makeSubsystem(s); err != nil {
		return nil, err
	}
	for _, h := range s.Hosts {
		if !exists(t.host(h)) {
			if err := t.tree.mkdir(t.host(h)); err != nil {
				return made, fmt.Errorf("host %s: %w", h, err)
			}
			made = append(made, h)
		}
		if err := t.tree.link(t.host(h), t.allowed(s.NQN, h)); err != nil {
			return made, fmt.Errorf("host %s: %w", h, err)
		}
	}
	if err := t.makeSpace(d, s); err != nil {
		return made, err
	}
	return made, t.openPort(s)
}

func (t *Target) makeSubsystem(s Share) error {
	dir := t.subsystem(s.NQN)
	if err := t.tree.mkdir(dir); err != nil {
		return fmt.Errorf("NVMe subsystem %s: %w", s.NQN, err)
	}
	any := "0"
	if len(s.Hosts) == 0 {
		any = "1"
	}
	serial, _ := identity(s.NQN)
	return t.set(dir, [][2]string{{"attr_allow_any_host", any}, {"attr_serial", serial}, {"attr_model", "zqublkd"}})
}

func (t *Target) makeSpace(d Device, s Share) error {
	dir := t.space(s.NQN)
	if err := t.tree.mkdir(dir); err != nil {
		return fmt.Errorf("NVMe namespace: %w", err)
	}
	_, uuid := identity(s.NQN)
	if err := t.set(dir, [][2]string{{"device_path", d.Node}, {"device_uuid", uuid}}); err != nil {
		return err
	}
	if err := t.tree.write(filepath.Join(dir, "enable"), "1"); err != nil {
		return fmt.Errorf("%w: it says %q to the disk as a namespace, dmesg may say why", ErrDisk, err)
	}
	return nil
}

func (t *Target) set(dir string, settings [][2]string) error {
	for _, s := range settings {
		if err := t.tree.write(filepath.Join(dir, s[0]), s[1]); err != nil {
			return fmt.Errorf("NVMe target, %s=%s: %w", s[0], s[1], err)
		}
	}
	return nil
}

// Remove takes back what is shared of a device, be the device there or not. Machines that use it
// lose it.
func (t *Target) Remove(d Device) error {
	if !exists(t.root) {
		return nil
	}
	unlock, err := t.open()
	if err != nil {
		return err
	}
	defer unlock()
	for _, nqn := range t.Find(d) {
		if err := t.takeBack(nqn, t.hostsOf(nqn)); err != nil {
			return fmt.Errorf("%s: %w", nqn, err)
		}
	}
	return nil
}

// Find lists our subsystems that have the device, or its name, whole or not.
func (t *Target) Find(d Device) []string {
	var list []string
	for _, nqn := range names(filepath.Join(t.root, "subsystems")) {
		node := value(filepath.Join(t.space(nqn), "device_path"))
		if strings.HasPrefix(nqn, Prefix) && (nqn == t.NQN(d.Name) || node == d.Node && node != "") {
			list = append(list, nqn)
		}
	}
	return list
}

func (t *Target) hostsOf(nqn string) []string {
	return names(filepath.Join(t.subsystem(nqn), "allowed_hosts"))
}

// takeBack undoes make, or as much of it as was done. Of the hosts it forgets those that no other
// subsystem knows, and that have no key.
func (t *Target) takeBack(nqn string, hosts []string) error {
	if err := t.closePorts(nqn); err != nil {
		return err
	}
	if space := t.space(nqn); exists(space) {
		if value(filepath.Join(space, "enable")) == "1" {
			if err := t.tree.write(filepath.Join(space, "enable"), "0"); err != nil {
				return fmt.Errorf("NVMe namespace: %w", err)
			}
		}
		if err := t.tree.rmdir(space); err != nil {
			return err
		}
	}
	for _, h := range t.hostsOf(nqn) {
		if err := t.tree.unlink(t.allowed(nqn, h)); err != nil {
			return err
		}
	}
	for _, h := range slices.Backward(hosts) {
		if value(filepath.Join(t.host(h), "dhchap_key")) != "" {
			continue
		}
		if err := t.tree.rmdir(t.host(h)); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	if !exists(t.subsystem(nqn)) {
		return nil
	}
	return t.tree.rmdir(t.subsystem(nqn))
}

// Shares are those of a node, as the target has them; one that is not whole is none.
func (t *Target) Shares(node string) []Share {
	var list []Share
	for _, e := range Exports(t.root) {
		if e.Path != node || !strings.HasPrefix(e.Subsystem, Prefix) {
			continue
		}
		s := Share{NQN: e.Subsystem, Hosts: []string{}}
		if value(filepath.Join(t.subsystem(s.NQN), "attr_allow_any_host")) != "1" {
			s.Hosts = append(s.Hosts, t.hostsOf(s.NQN)...)
		}
		if t.findPort(&s) {
			list = append(list, s)
		}
	}
	return list
}
