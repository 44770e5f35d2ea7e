// SPDX-License-Identifier: Apache-2.0

// Package devname is about the names of devices: what one may be called, what
// it is called if nobody says so, and how udev's links spell it.
package devname

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxBytes is the longest name: four times as long, which is the worst that
// escapes make of it, it is still a file name below "zqublkd-" and "-part128".
const MaxBytes = 56

// ErrName is a name that no device can have.
var ErrName = errors.New("no name for a device")

// partition is what udev adds to the link of a disk for one of its partitions.
var partition = regexp.MustCompile(`-part[0-9]+$`)

// node is what the driver calls disks, their partitions and its own nodes.
var node = regexp.MustCompile(`^ublk([bc][0-9]+|b[0-9]+p[0-9]+)$`)

// Check reports why a name can't be given to a device: it would be taken for
// another thing in a list, in a path or among udev's links.
func Check(name string) error {
	why := ""
	switch {
	case name == "":
		why = "it is empty"
	case len(name) > MaxBytes:
		why = fmt.Sprintf("it is longer than %d bytes", MaxBytes)
	case name == "." || name == "..":
		why = "it is a folder"
	case !utf8.ValidString(name):
		why = "it is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r != ' ' && !unicode.IsPrint(r) }):
		why = "it has characters that can't be printed"
	case strings.Contains(name, "/"):
		why = "it has a slash"
	case strings.HasPrefix(name, "-"):
		why = "it begins like an option"
	case strings.Trim(name, "0123456789") == "":
		why = "it is a number, as those of devices are"
	case name == "all":
		why = "it is the word for every device"
	case node.MatchString(name):
		why = "it is a node of the ublk driver"
	case partition.MatchString(name):
		why = "it ends like a partition's"
	default:
		return nil
	}
	return fmt.Errorf("name %q: %w: %s; take letters, digits, dots and dashes", name, ErrName, why)
}

// OfImage is the name of a device that nobody has named: the image's file name,
// made fit. It is a function of the path alone.
func OfImage(path string) string {
	base := filepath.Base(path)
	if Check(base) == nil {
		return base
	}
	return Distinct(path)
}

// Distinct is a name for the device of an image whose file name another device
// has: with six digits of the path's hash.
func Distinct(path string) string {
	hash := sha256.Sum256([]byte(path))
	tail := "-" + hex.EncodeToString(hash[:3])
	base := strings.Map(func(r rune) rune {
		if r == '/' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, strings.TrimLeft(filepath.Base(path), "-"))
	for len(base) > MaxBytes-len(tail) {
		_, n := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-n]
	}
	return base + tail
}

// Link is a name as udev spells it in links: what it does not take is written
// as \xNN. No two names have one link.
func Link(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= utf8.RuneSelf || strings.ContainsRune("#+-.:=@_", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' ||
			'A' <= r && r <= 'Z' {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// ByID is udev's link to the disk of that name, or to one of its partitions
// (0: the disk) in /dev/disk/by-id.
func ByID(name string, part int) string {
	return "/dev/disk/by-id/zqublkd-" + Link(name) + suffix(part)
}

// ByName is the short link.
func ByName(name string, part int) string { return "/dev/zqublkd/" + Link(name) + suffix(part) }

func suffix(part int) string {
	if part == 0 {
		return ""
	}
	return fmt.Sprintf("-part%d", part)
}
