// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"zqublkd/internal/fault"
	"zqublkd/internal/output"
	"zqublkd/internal/server"
)

func newFault() *cobra.Command {
	c := &cobra.Command{
		Use:   "fault",
		Short: "Make requests of a served device fail, late or torn, as a bad drive does",
	}
	c.AddCommand(newFaultAdd(), newFaultList(), newFaultClear())
	group(c)
	return c
}

func newFaultAdd() *cobra.Command {
	var r fault.Rule
	var op, status, delay, runDir string
	var zone uint32
	c := &cobra.Command{
		Use:   "add DEVICE --op OP {--status ERRNO | --delay TIME[..TIME]}",
		Short: "Add a fault; prints its number",
		Long: `Add a fault; prints its number. It meets each request of a kind that it fits:
those of a zone, those that touch a range of 512-byte sectors, or all. An append
counts as at the first sector of its zone.

` + deviceHelp + `

Requests: ` + joined(fault.Ops) + `
Errors:   ` + strings.Join(fault.Statuses(), ", "),
		Example: `  zqublkd fault add 0 --op write --status EIO --zone 5 --torn --count 1
  zqublkd fault add disk.qcow2 --op read --status ENODATA --start 8192 --nr-sectors 8
  zqublkd fault add 0 --op flush --delay 5ms..20ms --chance 10 --seed 1`,
		Args: exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			r.Op, r.Status = fault.Op(op), fault.Status(strings.ToUpper(status))
			if c.Flags().Changed("zone") {
				r.Zone = &zone
			}
			if c.Flags().Changed("start") != c.Flags().Changed("nr-sectors") {
				return usageError{errors.New("--start and --nr-sectors: give both, the first sector and how many")}
			}
			if r.DelayMin, r.DelayMax, err = parseDelay(delay); err != nil {
				return usageError{err}
			}
			if !c.Flags().Changed("seed") {
				r.Seed = rand.Uint64() >> 32
			}
			if err := r.Check(math.MaxUint32, math.MaxUint64); err != nil {
				return usageError{err}
			}
			id, err := resolve(runDir, args[0])
			if err != nil {
				return err
			}
			number, err := server.AddFault(runDir, id, r)
			if err == nil {
				fmt.Fprintln(c.OutOrStdout(), number)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&op, "op", "", "kind of request")
	f.StringVar(&status, "status", "", "error that it is answered with")
	f.Uint32Var(&zone, "zone", 0, "only requests of this zone")
	f.StringVar(&delay, "delay", "", "hold requests up for a time, or between two as 5ms..20ms; at most "+fault.MaxDelay.String())
	addRule(f, &r)
	addRunDir(c, &runDir)
	return c
}

func joined(ops []fault.Op) string {
	var names []string
	for _, op := range ops {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

// parseDelay reads 5ms, or 5ms..20ms.
func parseDelay(text string) (least, most time.Duration, err error) {
	if text == "" {
		return 0, 0, nil
	}
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		to = from
	}
	least, err1 := time.ParseDuration(from)
	most, err2 := time.ParseDuration(to)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("--delay %q: give a time such as 5ms, or two as 5ms..20ms", text)
	}
	return least, most, nil
}

func newFaultList() *cobra.Command {
	var asJSON bool
	var runDir string
	c := &cobra.Command{
		Use:   "list DEVICE",
		Short: "List the faults of a device, with the requests that fitted them and those that they met",
		Long:  "List the faults of a device, with the requests that fitted them and those that they met.\n\n" + deviceHelp,
		Args:  exactly("DEVICE"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := resolve(runDir, args[0])
			if err != nil {
				return err
			}
			list, err := server.Faults(runDir, id)
			if err != nil {
				return err
			}
			if asJSON {
				if list == nil {
					list = []fault.Counted{}
				}
				return output.JSON(c.OutOrStdout(), list)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tSEEN\tMET\tFAULT")
			for _, f := range list {
				fmt.Fprintf(w, "%d\t%d\t%d\t%s\n", f.ID, f.Seen, f.Met, f.Rule.String())
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	addRunDir(c, &runDir)
	return c
}

func newFaultClear() *cobra.Command {
	var runDir string
	c := &cobra.Command{
		Use:   "clear DEVICE [FAULT]",
		Short: "Take away a fault of a device, by its number, or all",
		Long:  "Take away a fault of a device, by its number, or all.\n\n" + deviceHelp,
		Args:  between(1, "DEVICE", "FAULT"),
		RunE: func(c *cobra.Command, args []string) error {
			number := 0
			if len(args) > 1 {
				var err error
				if number, err = strconv.Atoi(args[1]); err != nil || number < 1 {
					return usageError{fmt.Errorf("fault %q: give the number that `zqublkd fault list` shows", args[1])}
				}
			}
			id, err := resolve(runDir, args[0])
			if err != nil {
				return err
			}
			return server.ClearFaults(runDir, id, number)
		},
	}
	addRunDir(c, &runDir)
	return c
}

// addRule adds the flags that say which requests a fault meets, and how often.
func addRule(f *pflag.FlagSet, r *fault.Rule) {
	f.Uint64Var(&r.Start, "start", 0, "only requests that touch the sectors from this one on")
	f.Uint64Var(&r.Sectors, "nr-sectors", 0, "number of these sectors, of 512 bytes")
	f.Uint64Var(&r.Chance, "chance", 1, "meet one in so many, as the seed has it")
	f.Uint64Var(&r.After, "after", 0, "spare so many first")
	f.Uint64Var(&r.Count, "count", 0, "meet so many at most (0: any number)")
	f.BoolVar(&r.Torn, "torn", false, "some blocks of a failing write arrive")
	f.Uint64Var(&r.Seed, "seed", 0, "that chance, delay and torn follow from (default: drawn)")
	f.BoolVar(&r.Persist, "persist", false, "keep it when a next daemon takes the device over")
}
