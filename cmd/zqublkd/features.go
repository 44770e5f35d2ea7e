// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/output"
	"zqublkd/internal/server"
	"zqublkd/ublk"
)

func newFeatures() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "features",
		Short: "Show what this kernel's ublk driver can do and what that means here",
		Args:  exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			has, err := driverFeatures()
			if err != nil {
				return err
			}
			if asJSON {
				return output.JSON(c.OutOrStdout(), featureReport(has))
			}
			return printFeatures(c.OutOrStdout(), has)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func driverFeatures() (ublk.Features, error) {
	ctl, err := ublk.OpenControl()
	if err != nil {
		return 0, err
	}
	has, err := ctl.Features()
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fmt.Errorf("%w too old to say its features: no zoned image can be served, Linux 6.6 or newer is needed", server.ErrKernel)
	}
	return has, errors.Join(err, ctl.Close())
}

type featureLine struct {
	Name  string `json:"name"`
	Has   bool   `json:"has"`
	Since string `json:"since"`
	About string `json:"about"`
}

type featureList struct {
	Bits     uint64        `json:"bits"`
	Zoned    bool          `json:"zoned"`
	Recovery bool          `json:"recovery"`
	Features []featureLine `json:"features"`
}

func featureReport(has ublk.Features) featureList {
	l := featureList{
		Bits:     uint64(has),
		Zoned:    has.Has(ublk.FeatureZoned | ublk.FeatureUserCopy),
		Recovery: has.Has(ublk.FeatureRecovery | ublk.FeatureRecoveryReissue),
	}
	for _, f := range ublk.FeatureTable() {
		l.Features = append(l.Features, featureLine{f.Name, has.Has(f.Flag), f.Since, f.About})
	}
	return l
}

func printFeatures(w io.Writer, has ublk.Features) error {
	r := featureReport(has)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "FEATURE\tHERE\tSINCE\tWHAT IT IS")
	for _, f := range r.Features {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Name, output.YesNo(f.Has), f.Since, f.About)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := ublk.KnownBad(ublk.KernelRelease()); err != nil {
		fmt.Fprintf(w, "\nno image is served without --force: %v\n", err)
	}
	fmt.Fprintf(w, "\nzoned images can be served: %s\ndevices can outlive their daemon: %s\n", output.YesNo(r.Zoned), output.YesNo(r.Recovery))
	return nil
}
