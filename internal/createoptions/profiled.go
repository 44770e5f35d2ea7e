// SPDX-License-Identifier: Apache-2.0

package createoptions

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"zqublkd/internal/bytesize"
	"zqublkd/internal/profile"
	"zqublkd/internal/suggest"
	"zqublkd/qcow2"
)

// ParseProfiled is Parse over what a profile says for the given size and zone size. Without
// the name of a profile it is Parse.
func ParseProfiled(name string, list []string, values []*string) (qcow2.CreateOptions, error) {
	if name == "" {
		return Parse(list, values)
	}
	p, ok := profile.Find(name)
	if !ok {
		return qcow2.CreateOptions{}, fmt.Errorf("--profile %q: no such drive%s; there are %s (--profile help describes them)",
			name, suggest.DidYouMean(name, profile.Names()), strings.Join(profile.Names(), ", "))
	}
	given, err := parseOver(qcow2.CreateOptions{Zone: new(qcow2.ZoneOptions)}, list, values)
	switch {
	case err != nil:
		return given, err
	case given.Backing != nil:
		return given, errors.New("--profile: an overlay has the zones of its backing file: give either that or -b")
	case given.Size == 0:
		return given, fmt.Errorf("--profile %s: how large is the image to be? Give a size, as 64G", name)
	}
	return parseOver(p.Options(given), list, values)
}

// PrintProfiles lists the drives that there are profiles of.
func PrintProfiles(w io.Writer) error {
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
	return strconv.FormatUint(uint64(limit), 10)
}

func appendLimit(bytes uint32) string {
	if bytes == 0 {
		return "-"
	}
	return bytesize.Format(uint64(bytes))
}
