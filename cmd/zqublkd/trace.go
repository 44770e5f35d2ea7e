// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/server"
	"zqublkd/internal/trace"
)

func newTrace() *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use:   "trace {DEVICE | --from FILE}",
		Short: "Show the requests of a device, and the changes of its zones, as they come",
		Long: `Show the requests of a device as they are answered, how its zones change (write
pointer and condition), and how many of them are implicitly open, until SIGINT,
SIGTERM, or the end of the device. Data is not shown nor kept, only where it
went. Events wait in a ring; those that find it full are dropped and counted.

-o keeps the trace in a file for "zqublkd replay"; --from prints such a file.
docs/trace.md describes the format.

` + deviceHelp,
		Example: "  zqublkd trace -o bug.trace /dev/ublkb0 & mkfs.btrfs -O zoned /dev/ublkb0; kill %1",
		Args: func(c *cobra.Command, args []string) error {
			if o.from != "" && len(args) == 0 {
				return nil
			}
			if o.from != "" {
				return usageError{errors.New("give a device or --from, not both")}
			}
			return exactly("DEVICE")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if o.from != "" {
				return o.printFile(c.OutOrStdout())
			}
			return o.run(c, args[0])
		},
	}
	c.Flags().StringVarP(&o.out, "output", "o", "", "write the trace to this `file`, to be replayed")
	c.Flags().StringVar(&o.from, "from", "", "print the trace in this `file`")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON, one event a line")
	c.Flags().DurationVar(&o.time, "time", 0, "end the trace after this time (5s, 1m)")
	c.Flags().IntVar(&o.ring, "ring", trace.DefaultRing,
		fmt.Sprintf("events that there is room for, %d to %d, 80 bytes each", trace.MinRing, trace.MaxRing))
	addRunDir(c, &o.runDir)
	c.MarkFlagsMutuallyExclusive("output", "from")
	c.MarkFlagsMutuallyExclusive("output", "json")
	return c
}

type traceOptions struct {
	out, from string
	json      bool
	time      time.Duration
	ring      int
	runDir    string
}

func (o traceOptions) run(c *cobra.Command, device string) (err error) {
	if o.ring < trace.MinRing || o.ring > trace.MaxRing {
		return usageError{fmt.Errorf("--ring %d: give %d to %d", o.ring, trace.MinRing, trace.MaxRing)}
	}
	id, err := resolve(o.runDir, device)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(signals)
	s, err := server.Trace(o.runDir, id, o.ring)
	if err != nil {
		return err
	}
	defer s.Close()
	var file *os.File
	if o.out != "" { // only now: what is there already is not lost to a device that is not traced
		if file, err = os.OpenFile(o.out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	go o.endLater(s, signals)
	if file != nil {
		return keepTrace(file, s)
	}
	return o.print(c.OutOrStdout(), s)
}

// endLater ends a trace when its time has come.
func (o traceOptions) endLater(s *server.TraceStream, signals chan os.Signal) {
	var over <-chan time.Time
	if o.time > 0 {
		over = time.After(o.time)
	}
	select {
	case <-signals:
	case <-over:
	}
	s.End()
}

// keepTrace writes a trace to a file as it comes, and looks whether it is whole.
func keepTrace(w io.Writer, s io.Reader) error {
	r, err := trace.NewReader(io.TeeReader(s, w))
	for err == nil {
		_, err = r.Next()
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// print prints a trace as it comes.
func (o traceOptions) print(w io.Writer, s io.Reader) error {
	r, err := trace.NewReader(s)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	p := trace.Printer{W: out, JSON: o.json, Begun: r.Header().Started}
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out.Flush()
		}
		if err == nil {
			err = p.Print(rec)
		}
		if err == nil && r.Buffered() == 0 { // nothing more is there yet
			err = out.Flush()
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
	}
}

func (o traceOptions) printFile(w io.Writer) error {
	f, err := os.Open(o.from)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := o.print(w, f); err != nil {
		return fmt.Errorf("%s: %w", o.from, err)
	}
	return nil
}
