// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"zqublkd/internal/devname"
	"zqublkd/internal/printable"
	"zqublkd/internal/server"
)

// deviceHelp says how a device may be named on the command line.
const deviceHelp = `A device is named by its number, a node of it or its partitions (ublkb0,
/dev/ublkb0p1, /dev/ublkc0), a link to one (/dev/disk/by-id/..., /dev/zqublkd/NAME),
its name, or its image.`

// allDevices is the word for every device where several may be named.
const allDevices = "all"

// atOnce bounds the devices that are worked on at the same time.
const atOnce = 16

var (
	numberPattern = regexp.MustCompile(`^(?:(?:/dev/)?ublk[bc])?([0-9]+)$`)
	partPattern   = regexp.MustCompile(`^(?:/dev/)?ublkb([0-9]+)p[0-9]+$`)
	partSuffix    = regexp.MustCompile(`-part[0-9]+$`)
)

// numberIn is the device number that a word is, or that a node has in its name.
func numberIn(word string) (id uint32, ok bool) {
	m := numberPattern.FindStringSubmatch(word)
	if m == nil {
		m = partPattern.FindStringSubmatch(word)
	}
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(m[1], 10, 32)
	return uint32(n), err == nil
}

// nodeNumber is the number of the device whose node, or a link to it, a path is.
func nodeNumber(path string) (id uint32, ok bool) {
	if !strings.HasPrefix(path, "/dev/") {
		return 0, false
	}
	node, err := filepath.EvalSymlinks(path)
	if err != nil {
		return 0, false
	}
	return numberIn(node)
}

// resolve finds the device that arg names, among those of a run directory.
func resolve(runDir, arg string) (uint32, error) {
	records, err := server.Records(runDir)
	if err != nil {
		return 0, err
	}
	return find(records, arg)
}

func find(records []server.Record, arg string) (uint32, error) {
	if id, ok := nodeNumber(arg); ok {
		return id, nil
	}
	if id, ok := numberIn(arg); ok {
		return id, nil
	}
	var found []uint32
	image, _ := os.Stat(arg)
	for _, r := range records {
		if r.Name == arg || isLink(r.Name, arg) || isImage(r, arg, image) {
			found = append(found, r.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, usageError{fmt.Errorf("no device is named %q: give a number, node, name or image that `zqublkd list` shows", arg)}
	}
	return 0, usageError{fmt.Errorf("the name %q fits %d devices: give a number or node, see `zqublkd list`", arg, len(found))}
}

// isLink reports whether a path is what udev calls the device of that name, or a
// partition of it: the link may be gone with udev, or not have been made yet.
func isLink(name, path string) bool {
	disk := partSuffix.ReplaceAllString(path, "")
	return disk == devname.ByName(name, 0) || disk == devname.ByID(name, 0)
}

// isImage reports whether arg leads to the image of r; image is what is there, nil
// if nothing is.
func isImage(r server.Record, arg string, image os.FileInfo) bool {
	if path, err := filepath.Abs(arg); err == nil && path == r.Image {
		return true
	}
	st, err := os.Stat(r.Image)
	return err == nil && image != nil && os.SameFile(st, image)
}

// chosen are the devices that the arguments name, each once; "all" names all.
func chosen(runDir string, args []string) ([]uint32, error) {
	records, err := server.Records(runDir)
	if err != nil {
		return nil, err
	}
	var ids []uint32
	if isAll(args) {
		for _, r := range records {
			ids = append(ids, r.ID)
		}
		return ids, nil
	}
	for _, arg := range args {
		id, err := find(records, arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func isAll(args []string) bool { return len(args) == 1 && args[0] == allDevices }

// someDevices wants at least one device; "all" stands alone.
func someDevices(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usageError{fmt.Errorf("%s: name a device, several, or all; `zqublkd list` shows them", c.Name())}
	case len(args) > 1 && slices.Contains(args, allDevices):
		return usageError{fmt.Errorf("%s: all stands for every device: give it alone, or name some", c.Name())}
	}
	return nil
}

// forEach is eachDevice for those that the arguments of c name, and prints their errors.
func forEach(c *cobra.Command, runDir string, args []string, f func(uint32) error) error {
	ids, err := chosen(runDir, args)
	if err != nil {
		return err
	}
	return sayEach(c, eachDevice(ids, f))
}

// eachDevice calls f for each device, for many at once. Each is tried; the errors
// are in the order of the devices.
func eachDevice(ids []uint32, f func(uint32) error) error {
	errs := make([]error, len(ids))
	var g errgroup.Group
	g.SetLimit(atOnce)
	for k, id := range ids {
		g.Go(func() error {
			errs[k] = f(id)
			return nil
		})
	}
	_ = g.Wait() // errs has them all
	return errors.Join(errs...)
}

// sayEach prints the errors of several devices one a line, and keeps only the exit
// code of the first. That of one is left to the program's end.
func sayEach(c *cobra.Command, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || len(joined.Unwrap()) < 2 {
		return err
	}
	for _, e := range joined.Unwrap() {
		fmt.Fprintln(c.ErrOrStderr(), "zqublkd:", printable.Text(oneLine(e.Error())))
	}
	return codeError{errors.New(""), exitCode(joined.Unwrap()[0])}
}
