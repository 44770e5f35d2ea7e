// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Ports of our making are numbered from firstPort on: nothing else can be written on one, and
// those of others must not be removed.
const (
	firstPort = 26000
	lastPort  = 26999
)

// openPort makes the subsystem of a share reachable: by the port that has its address, or by a new
// one.
func (t *Target) openPort(s Share) error {
	number, found := t.portOf(s)
	if !found {
		var err error
		if number, err = t.makePort(s); err != nil {
			return err
		}
	}
	err := t.tree.link(t.subsystem(s.NQN), t.linked(number, s.NQN))
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("address %s: %w: this machine has no such address; `ip address` shows those it has", s.Address, ErrSpec)
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("address %s: %w: another program listens there; take another port", s.Address, ErrSpec)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w over %s: it says %q, dmesg may say why", ErrKernel, s, err)
	}
	return err
}

// makePort makes a port of the first free number.
func (t *Target) makePort(s Share) (string, error) {
	for n := firstPort; n <= lastPort; n++ {
		number := strconv.Itoa(n)
		if exists(t.port(number)) {
			continue
		}
		if err := t.tree.mkdir(t.port(number)); err != nil {
			return "", fmt.Errorf("NVMe port: %w", err)
		}
		return number, t.set(t.port(number), portSettings(s))
	}
	return "", fmt.Errorf("%w: all of its ports %d to %d are taken", ErrKernel, firstPort, lastPort)
}

func portSettings(s Share) [][2]string {
	if s.Transport == Loop {
		return [][2]string{{"addr_trtype", Loop}}
	}
	a := netip.MustParseAddrPort(s.Address) // Add has checked it
	family := "ipv4"
	if a.Addr().Is6() {
		family = "ipv6"
	}
	return [][2]string{{"addr_trtype", TCP}, {"addr_adrfam", family}, {"addr_traddr", a.Addr().String()},
		{"addr_trsvcid", strconv.Itoa(int(a.Port()))}}
}

// portOf finds the port that has the address of a share, whoever made it.
func (t *Target) portOf(s Share) (number string, ok bool) {
	for _, number := range names(filepath.Join(t.root, "ports")) {
		same := true
		for _, set := range portSettings(s) {
			same = same && value(filepath.Join(t.port(number), set[0])) == set[1]
		}
		if same {
			return number, true
		}
	}
	return "", false
}

// findPort sets where the subsystem of a share is reached.
func (t *Target) findPort(s *Share) bool {
	for _, number := range names(filepath.Join(t.root, "ports")) {
		if !exists(t.linked(number, s.NQN)) {
			continue
		}
		attr := func(name string) string { return value(filepath.Join(t.port(number), name)) }
		if s.Transport = attr("addr_trtype"); s.Transport == TCP {
			s.Address = net.JoinHostPort(attr("addr_traddr"), attr("addr_trsvcid"))
		}
		return true
	}
	return false
}

// closePorts takes a subsystem from all ports, and removes those of ours that have none left.
func (t *Target) closePorts(nqn string) error {
	for _, number := range names(filepath.Join(t.root, "ports")) {
		if exists(t.linked(number, nqn)) {
			if err := t.tree.unlink(t.linked(number, nqn)); err != nil {
				return err
			}
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < firstPort || n > lastPort || len(names(filepath.Join(t.port(number), "subsystems"))) > 0 {
			continue
		}
		if err := t.tree.rmdir(t.port(number)); err != nil {
			return err
		}
	}
	return nil
}
