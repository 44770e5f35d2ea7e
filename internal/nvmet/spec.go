// SPDX-License-Identifier: Apache-2.0

package nvmet

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Transports.
const (
	TCP  = "tcp"
	Loop = "loop" // this machine itself
)

// Share is how a device is shared.
type Share struct {
	NQN       string   `json:"nqn"`
	Transport string   `json:"transport"`
	Address   string   `json:"address,omitempty"` // of TCP: ADDR:PORT
	Hosts     []string `json:"hosts"`             // who may use it; empty: whoever reaches the address
}

// String is the share in few words.
func (s Share) String() string {
	if s.Transport == TCP {
		return "nvme-tcp " + s.Address
	}
	return "nvme-" + s.Transport
}

// Audience is who may use it.
func (s Share) Audience() string {
	if len(s.Hosts) == 0 {
		return "any host"
	}
	return strings.Join(s.Hosts, ", ")
}

const maxNQN = 223 // bytes, of NVMe

// zoneName is an interface's, after the % of a link-local address.
var zoneName = regexp.MustCompile(`^[A-Za-z0-9._-]{0,15}$`)

// Address reads ADDR:PORT, as 10.0.0.1:4420 or [fe80::1%eth0]:4420; it returns it in its one form.
func Address(text string) (string, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 || !zoneName.MatchString(a.Addr().Zone()) {
		return "", fmt.Errorf("address %q: %w: give an IP address of this machine and a port, as 10.0.0.1:4420 or [fd00::1]:4420", text, ErrSpec)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String(), nil
}

// OnlyHere reports whether no other machine reaches the share.
func (s Share) OnlyHere() bool {
	a, err := netip.ParseAddrPort(s.Address)
	return s.Transport == Loop || err == nil && a.Addr().IsLoopback()
}

// CheckHost says what is wrong with the NQN of a host.
func CheckHost(nqn string) error {
	why := ""
	switch {
	case !strings.HasPrefix(nqn, "nqn."):
		why = `it does not begin with "nqn."`
	case len(nqn) > maxNQN:
		why = fmt.Sprintf("it is longer than %d bytes", maxNQN)
	case !utf8.ValidString(nqn):
		why = "it is not UTF-8"
	case strings.ContainsFunc(nqn, func(r rune) bool { return r == '/' || r == ' ' || !unicode.IsPrint(r) }):
		why = "it has a slash, a space or what can't be printed"
	default:
		return nil
	}
	return fmt.Errorf("host %q: %w: %s; give what /etc/nvme/hostnqn of that machine says", nqn, ErrSpec, why)
}

// check judges a share and brings it into its one form.
func (s *Share) check() (err error) {
	switch s.Transport {
	case TCP:
		if s.Address, err = Address(s.Address); err != nil {
			return err
		}
	case Loop:
		s.Address = ""
	default:
		return fmt.Errorf("transport %q: %w: give tcp or loop", s.Transport, ErrSpec)
	}
	for _, h := range s.Hosts {
		if err := CheckHost(h); err != nil {
			return err
		}
	}
	s.Hosts = slices.Clone(s.Hosts)
	slices.Sort(s.Hosts)
	s.Hosts = slices.Compact(s.Hosts)
	return nil
}

// Disk is what the target wants to know of a block device.
type Disk struct {
	Node         string
	ReadOnly     bool
	Zoned        bool
	Bytes        uint64
	ZoneBytes    uint64
	AppendBytes  uint64 // longest zone append
	Conventional int    // zones
}

// leastAppend is the unit in which NVMe counts the longest zone append.
const leastAppend = 4096

// Check says why the target can't take a disk. The rules are the kernel's, which has one answer for
// all of them: an invalid argument.
func (d Disk) Check() error {
	why := ""
	switch {
	case d.ReadOnly:
		why = "it is read-only, and the target opens disks for writing only: add the image without --read-only, or an overlay of it"
	case !d.Zoned:
		return nil
	case d.Conventional > 0:
		why = fmt.Sprintf("%d of its zones are conventional, which ZNS does not have: use an image without (`zqublkd create -o zone.conventional_zones=0`)", d.Conventional)
	case d.AppendBytes < leastAppend:
		why = fmt.Sprintf("its longest zone append is %d bytes, ZNS needs %d: use an image with zone.max_append_bytes of so much", d.AppendBytes, leastAppend)
	case d.ZoneBytes == 0 || d.Bytes == 0 || d.Bytes%d.ZoneBytes != 0:
		why = "its last zone is smaller than the others, which ZNS does not have: use an image whose size is a multiple of its zones'"
	default:
		return nil
	}
	return fmt.Errorf("%s: %w: %s", d.Node, ErrDisk, why)
}
