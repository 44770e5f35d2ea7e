// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/profile"
	"zqublkd/qcow2"
)

// parseProfiled is parseCreate over what the profile says for the size, and the zone size,
// that are given. No profile: parseCreate.
func parseProfiled(name string, list []string, values []*string) (qcow2.CreateOptions, error) {
	if name == "" {
		return parseCreate(list, values)
	}
	p, ok := profile.Find(name)
	if !ok {
		return qcow2.CreateOptions{}, fmt.Errorf("--profile %q: no such drive%s; there are %s (--profile help describes them)",
			name, didYouMean(name, profile.Names()), strings.Join(profile.Names(), ", "))
	}
	given, err := parseCreateOver(qcow2.CreateOptions{Zone: new(qcow2.ZoneOptions)}, list, values)
	switch {
	case err != nil:
		return given, err
	case given.Backing != nil:
		return given, errors.New("--profile: an overlay has the zones of its backing file: give either that or -b")
	case given.Size == 0:
		return given, fmt.Errorf("--profile %s: how large is the image to be? Give a size, as 64G", name)
	}
	return parseCreateOver(p.Options(given), list, values)
}

// printProfiles lists the drives.
func printProfiles(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "PROFILE\tALSO\tZONE\tCAPACITY\tCONVENTIONAL\tOPEN\tACTIVE\tAPPEND\tBLOCK\tDRIVE")
	for _, p := range profile.All {
		also := p.Alias
		if also == "" {
			also = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", p.Name, also, bytesize.Format(p.ZoneSize), bytesize.Format(p.ZoneCapacity),
			p.Share(), orNone(p.MaxOpen), orNone(p.MaxActive), appendLimit(p.MaxAppendBytes), p.Block, p.Drive)
	}
	return t.Flush()
}

func orNone(limit uint32) string {
	if limit == 0 {
		return "-"
	}
	return decimal(uint64(limit))
}

func appendLimit(bytes uint32) string {
	if bytes == 0 {
		return "-"
	}
	return bytesize.Format(uint64(bytes))
}
