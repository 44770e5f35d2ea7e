// SPDX-License-Identifier: Apache-2.0

package boottable

import (
	"bufio"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"zqublkd/internal/devname"
)

// DefaultPath is where the table is.
const DefaultPath = "/etc/zqublkd/table"

// Entry is one line of the table.
type Entry struct {
	Name   string
	Image  string
	Number uint32 // of the device, pinned
	NoAuto bool   // not started with the machine
	NoFail bool   // the boot does not wait for it
	NetDev bool   // its image needs the network
	Group  string // its members may ask the daemon how it stands; "": root alone
	Args   []string
}

// Numbers that lines without number= get: far above those that `zqublkd add`
// gives, which are the first free ones.
const firstNumber, numbers = 100, 900

// maxNumber is the driver's largest device number (UBLK_MINORS).
const maxNumber = 1<<20 - 1

// LineError is a line of the table that can't be used.
type LineError struct {
	Path string
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Parse reads a table; path is for its errors. A bad line is an error among
// those joined, and left out.
func Parse(r io.Reader, path string) ([]Entry, error) {
	var list []Entry
	var errs []error
	at := map[string]int{} // names, images and numbers by line
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		e, err := parseLine(fields)
		if err == nil {
			err = e.distinct(at, n)
		}
		if err != nil {
			errs = append(errs, &LineError{path, n, err})
			continue
		}
		list = append(list, e)
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", path, err))
	}
	giveNumbers(list)
	return list, errors.Join(errs...)
}

// distinct notes what no two lines may have in common.
func (e Entry) distinct(at map[string]int, line int) error {
	mine := []string{"name " + strconv.Quote(e.Name), "image " + strconv.Quote(e.Image)}
	if e.Number != unpinned {
		mine = append(mine, fmt.Sprintf("number %d", e.Number))
	}
	for _, what := range mine {
		if other := at[what]; other != 0 {
			return fmt.Errorf("%s is that of line %d", what, other)
		}
	}
	for _, what := range mine {
		at[what] = line
	}
	return nil
}

func parseLine(fields []string) (e Entry, err error) {
	if len(fields) < 2 || len(fields) > 3 {
		return e, fmt.Errorf(`%d fields: a line is "name image [options]"; write a space in a field as \040`, len(fields))
	}
	for i := range fields {
		if fields[i], err = unescape(fields[i]); err != nil {
			return e, err
		}
	}
	e = Entry{Name: fields[0], Image: fields[1], Number: unpinned}
	if err := devname.Check(e.Name); err != nil {
		return e, err
	}
	switch {
	case !filepath.IsAbs(e.Image) || filepath.Clean(e.Image) != e.Image:
		return e, fmt.Errorf("image %q: give its whole path, from / on and without dot folders in it", e.Image)
	case strings.ContainsFunc(e.Image, unicode.IsControl):
		return e, fmt.Errorf("image %q: its path has control characters, which a unit can't have", e.Image)
	}
	if len(fields) == 3 {
		err = e.parseOptions(fields[2])
	}
	return e, err
}

// octal is a character written as in fstab(5).
var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescape reads a field; a backslash that begins no escape is one.
func unescape(field string) (string, error) {
	var err error
	text := octal.ReplaceAllStringFunc(field, func(s string) string {
		n, e := strconv.ParseUint(s[1:], 8, 8)
		if e != nil {
			err = fmt.Errorf(`%s is no character: an escape goes from \001 to \377`, s)
		}
		return string([]byte{byte(n)})
	})
	return text, err
}

// unpinned is the number of an entry that has none yet.
const unpinned = 1 << 31

// valued are the options that are passed on to the daemon with a value.
var valued = map[string]*regexp.Regexp{
	"recovery": regexp.MustCompile(`^(off|reissue)$`), "cache": regexp.MustCompile(`^(none|writeback)$`),
	"zero-copy": regexp.MustCompile(`^(auto|off)$`), "queues": regexp.MustCompile(`^[0-9]{1,4}$`),
	"depth": regexp.MustCompile(`^[0-9]{1,4}$`), "l2-cache-size": regexp.MustCompile(`^[0-9]{1,19}[KMGT]?$`),
	watchGroup: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`),
}

// watchGroup is an option that the unit has to know of, too: its daemon may not give its
// socket to a group that it is not in.
const watchGroup = "watch-group"

const known = "noauto, nofail, _netdev, number=N, read-only, allow-backing, allow-data-file, metrics, recovery=, cache=, zero-copy=, queues=, depth=, l2-cache-size=, watch-group="

func (e *Entry) parseOptions(text string) error {
	for _, o := range strings.Split(text, ",") {
		name, value, given := strings.Cut(o, "=")
		pattern := valued[name]
		switch {
		case o == "" || o == "defaults" || o == "auto" || strings.HasPrefix(o, "x-"):
		case o == "noauto":
			e.NoAuto = true
		case o == "nofail":
			e.NoFail = true
		case o == "_netdev":
			e.NetDev = true
		case o == "read-only" || o == "allow-backing" || o == "allow-data-file" || o == "metrics":
			e.Args = append(e.Args, "--"+o)
		case name == "number" && given:
			n, err := strconv.ParseUint(value, 10, 32)
			if err != nil || n > maxNumber {
				return fmt.Errorf("number %q: must be from 0 to %d", value, maxNumber)
			}
			e.Number = uint32(n)
		case pattern != nil && given && pattern.MatchString(value):
			e.Args = append(e.Args, "--"+name, value)
			if name == watchGroup {
				e.Group = value
			}
		case pattern != nil:
			return fmt.Errorf("option %q: its value must match %s", o, pattern)
		default:
			return fmt.Errorf("option %q is not known: there are %s", o, known)
		}
	}
	return nil
}

// giveNumbers gives a number to each entry that has none: by its name, so that
// it stays when other lines come and go.
func giveNumbers(list []Entry) {
	taken := map[uint32]bool{}
	for _, e := range list {
		taken[e.Number] = true
	}
	for i := range list {
		if list[i].Number != unpinned {
			continue
		}
		hash := fnv.New32a()
		hash.Write([]byte(list[i].Name))
		n := hash.Sum32() % numbers
		for taken[firstNumber+n] && len(taken) < numbers {
			n = (n + 1) % numbers
		}
		list[i].Number = firstNumber + n
		taken[list[i].Number] = true
	}
}
