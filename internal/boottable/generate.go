// SPDX-License-Identifier: Apache-2.0

package boottable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"

	"zqublkd/internal/devname"
	"zqublkd/systemd"
)

// partitions is for how many of a device's partitions the order of mounts is
// set beforehand. Whoever mounts another is waited for all the same.
const partitions = 4

// Unit is the name of the entry's unit.
func (e Entry) Unit() string { return "zqublkd@" + unit.UnitNameEscape(e.Name) + ".service" }

// Generate writes units for the entries of the table at path into the folder
// that systemd has given to a generator. program is what the units run.
func Generate(dir, path, program string, list []Entry) error {
	var errs []error
	for _, e := range list {
		if err := e.generate(dir, path, program); err != nil {
			errs = append(errs, fmt.Errorf("%s: %q: %w", path, e.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (e Entry) generate(dir, path, program string) error {
	files := map[string]string{e.Unit(): e.service(path, program),
		"zqublkd-failed@" + e.instance() + ".service.d/table.conf": e.failed()}
	for name, text := range files {
		if err := write(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	for _, by := range e.pullers() {
		at := filepath.Join(dir, by, e.Unit())
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("../"+e.Unit(), at); err != nil {
			return err
		}
	}
	return nil
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func (e Entry) instance() string { return unit.UnitNameEscape(e.Name) }

// nodes are the paths by which the device is mounted, its own first.
func (e Entry) nodes() []string {
	node := fmt.Sprintf("/dev/ublkb%d", e.Number)
	list := []string{node, devname.ByName(e.Name, 0), devname.ByID(e.Name, 0)}
	for p := 1; p <= partitions; p++ {
		list = append(list, fmt.Sprintf("%sp%d", node, p), devname.ByName(e.Name, p), devname.ByID(e.Name, p))
	}
	return list
}

// pullers are the folders of the units that start this one: those of the device
// by each of its names, for whoever mounts it, and a target of the boot.
func (e Entry) pullers() []string {
	var list []string
	for _, node := range e.nodes() {
		list = append(list, unit.UnitNamePathEscape(node)+".device.requires")
	}
	switch {
	case e.NoAuto:
		return list
	case e.NetDev:
		return append(list, "remote-fs.target.wants")
	}
	return append(list, "multi-user.target.wants")
}

// service is the unit: the one that all images have, with the entry's values,
// and ordered like one of systemd-cryptsetup@.service.
func (e Entry) service(path, program string) string {
	text := strings.Replace(systemd.Service, "Description=Block device from %f\n", e.description(), 1)
	text = strings.Replace(text, "RequiresMountsFor=%f\n", "RequiresMountsFor="+pathWord(e.Image)+"\n"+e.order(path), 1)
	args := append([]string{"--id", strconv.Itoa(int(e.Number))}, e.Args...)
	values := fmt.Sprintf(`"ZQUBLKD_IMAGE=%s" "ZQUBLKD_NAME=%s" "ZQUBLKD_TABLE=%s"`,
		quoted(e.Image), quoted(e.Name), strings.Join(args, " "))
	text = strings.Replace(text, `"ZQUBLKD_IMAGE=%f" ZQUBLKD_NAME= ZQUBLKD_TABLE=`, values, 1)
	text = strings.Replace(text, "ExecStart=/usr/bin/zqublkd ", e.groups()+"ExecStart="+program+" ", 1)
	return "# Made by zqublkd-generator from " + path + "\n\n" + uncommented(text)
}

// groups makes the daemon a member of the group that it gives its socket to.
func (e Entry) groups() string {
	if e.Group == "" {
		return ""
	}
	return "SupplementaryGroups=" + e.Group + "\n"
}

var (
	comments  = regexp.MustCompile(`(?m)^#.*\n`)
	emptyRuns = regexp.MustCompile(`\n{3,}`)
	install   = regexp.MustCompile(`(?s)\n\[Install\].*$`)
)

// uncommented is the unit without what is for those who read or enable it.
func uncommented(text string) string {
	text = install.ReplaceAllString(comments.ReplaceAllString(text, ""), "")
	return strings.TrimSpace(emptyRuns.ReplaceAllString(text, "\n\n")) + "\n"
}

func (e Entry) description() string {
	return "Description=Block device " + strings.ReplaceAll(e.Name, "%", "%%") + "\n"
}

// order puts the unit before the mounts of its device (their units are After=
// these targets), and behind the network if it needs that.
func (e Entry) order(path string) string {
	text := "SourcePath=" + path + "\n"
	for _, node := range e.nodes() {
		target := "blockdev@" + unit.UnitNamePathEscape(node) + ".target"
		text += "Wants=" + target + "\nBefore=" + target + "\n"
	}
	if e.NetDev {
		text += "Wants=network-online.target\nAfter=network-online.target remote-fs-pre.target\n"
	}
	switch {
	case e.NoFail || e.NoAuto:
	case e.NetDev:
		text += "Before=remote-fs.target\n"
	default:
		text += "Before=multi-user.target\n"
	}
	return text
}

// failed tells the unit that stops a device whose daemon does not come back
// which image it is about.
func (e Entry) failed() string {
	return fmt.Sprintf("[Service]\nEnvironment=\"ZQUBLKD_IMAGE=%s\"\n", quoted(e.Image))
}

// quoted is text between double quotes where systemd reads C escapes.
func quoted(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(text)
}

// pathWord is a path as one word where systemd reads no escapes but quotes.
func pathWord(path string) string {
	path = strings.ReplaceAll(path, "%", "%%")
	if !strings.ContainsAny(path, " \"'") {
		return path
	}
	return `"` + strings.ReplaceAll(path, `"`, `"'"'"`) + `"`
}
