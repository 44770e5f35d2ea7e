// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/background"
	"zqublkd/internal/bytesize"
	"zqublkd/internal/engine"
	"zqublkd/internal/server"
	"zqublkd/internal/unit"
)

// serveOptions are the flags of serve and add.
type serveOptions struct {
	server.Options
	ID       int32 `json:"number"`
	Force    bool  `json:"force"`
	detached bool
	handed   string // by add: the options in JSON, instead of flags
}

func (o *serveOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.Int32Var(&o.ID, "id", -1, "device number; -1: the first free one")
	f.StringVar(&o.Name, "name", "", "name of the device, in lists and udev's links (default: the image's file name)")
	f.BoolVar(&o.ReadOnly, "read-only", false, "serve it read-only")
	f.StringVar(&o.SnapshotID, "snapshot-id", "", "serve an internal snapshot of a plain image, by ID or name; with --read-only")
	f.BoolVar(&o.Volatile, "volatile-cache", false, "for powercut: it takes what no flush has covered of conventional zones and plain images, too; a write there waits for a read")
	f.BoolVar(&o.Force, "force", false, "add a device even to a kernel that is known to crash when one is added")
	f.StringVar((*string)(&o.Recovery), "recovery", string(server.RecoveryReissue), "when the daemon dies: reissue (the device waits for the next one, which add and the unit bring) or off (it goes, its users get errors)")
	f.StringVar((*string)(&o.Cache), "cache", string(engine.CacheNone), "page cache for data: none or writeback")
	f.StringVar((*string)(&o.ZeroCopy), "zero-copy", string(server.ZeroCopyAuto), "file I/O straight to and from the requests' pages: auto (if the kernel can) or off")
	f.Var((*bytesize.Flag)(&o.L2Cache), "l2-cache-size", "memory for the image's L2 tables; 0: 64M, which maps 512G with clusters of 64K")
	f.Uint16Var(&o.Queues, "queues", 0, "hardware queues; 0: one for each CPU")
	f.Uint16Var(&o.Depth, "depth", server.DefaultDepth, "requests of a queue at once")
	f.DurationVar(&o.StopWait, "stop-wait", server.DefaultStopWait, "how long SIGTERM (systemctl stop) waits for the users of the device before it goes all the same; 0: not at all")
	f.BoolVar(&o.Metrics, "metrics", false, "measure latencies and what goes to each zone from the beginning, and not only while somebody watches (metrics, top)")
	f.StringVar(&o.WatchGroup, "watch-group", "", "members of this `group` may ask the daemon how it stands, not change anything (default: root alone)")
	addAllow(c, &o.Allow)
	addRunDir(c, &o.RunDir)
}

func (o *serveOptions) check() error {
	switch {
	case o.ID < -1:
		return usageError{fmt.Errorf("--id %d: give a device number, or -1 for the first free one", o.ID)}
	case o.Depth == 0 || o.Depth > 4096:
		return usageError{fmt.Errorf("--depth %d: must be from 1 to 4096", o.Depth)}
	case o.StopWait < 0:
		return usageError{fmt.Errorf("--stop-wait %v: must not be negative", o.StopWait)}
	case o.SnapshotID != "" && !o.ReadOnly:
		return usageError{fmt.Errorf("--snapshot-id %s: what a snapshot keeps is not written to: give --read-only, too", o.SnapshotID)}
	case o.Queues > 4096:
		return usageError{fmt.Errorf("--queues %d: must be at most 4096", o.Queues)}
	}
	return nil
}

// args are the arguments of the daemon that add starts, after its verb: all options in
// one, so that none can be forgotten. The flags stay for people, and for supervisors
// of the time when they were told one by one.
func (o *serveOptions) args(image string) []string {
	o.Image, _ = filepath.Abs(image)
	o.RunDir, _ = filepath.Abs(o.RunDir)
	handed, _ := json.Marshal(o) // numbers and strings
	return []string{o.Image, "--detached", "--log-level", logLevel, "--options", string(handed)}
}

// complete makes o what serve is told: by flags or by add.
func (o *serveOptions) complete(image string) error {
	if o.handed != "" {
		d := json.NewDecoder(strings.NewReader(o.handed))
		d.DisallowUnknownFields()
		if err := d.Decode(o); err != nil {
			return usageError{fmt.Errorf("--options: not what this program hands to its daemon, or of a newer one: %w", err)}
		}
	}
	o.Image = image
	return o.check()
}

func (o *serveOptions) config() server.Config {
	var supervised func([]string) bool
	if o.detached && o.Recovery == server.RecoveryReissue {
		supervised = bySupervisor
	}
	guarded, _ := daemon.SdWatchdogEnabled(false)
	return server.Config{
		Watchdog: func() { daemon.SdNotify(false, daemon.SdNotifyWatchdog) }, WatchdogTime: guarded,
		Options: o.Options, ID: o.ID, Force: o.Force,
		Supervised: supervised, Unit: os.Getenv(unit.Variable), NextComes: unit.Restarts, Orderly: unit.ForgetStarts,
		Log: logrus.StandardLogger(),
	}
}

func newServe() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve IMAGE",
		Short: "Serve an image in the foreground, until SIGTERM or del",
		Args:  exactly("IMAGE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := o.complete(args[0]); err != nil {
				return err
			}
			if err := background.Harden(); err != nil {
				return err
			}
			return o.serve()
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&o.detached, "detached", false, "report readiness on descriptor 3 and log into the run directory")
	c.Flags().StringVar(&o.handed, "options", "", "all options in JSON, as add hands them to the daemon it starts")
	c.Flags().MarkHidden("detached")
	c.Flags().MarkHidden("options")
	c.Flags().StringVar(&o.SnapshotOf, "snapshot-of", "", "the image is a throw-away overlay of this one")
	c.Flags().MarkHidden("snapshot-of")
	return c
}

func (o *serveOptions) serve() error {
	if o.detached {
		background.KeepReady()
	}
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer cancel()
	signal.Ignore(unix.SIGPIPE)
	err := server.Serve(ctx, o.config(), o.ready)
	// Only the end of the process gives the requests back.
	switch {
	case errors.Is(err, server.ErrQueue):
		logrus.WithError(err).Error("ending at once")
		os.Exit(exitFailed)
	case errors.Is(err, server.ErrHandOver) && ctx.Err() == nil:
		os.Exit(exitHandOver)
	case errors.Is(err, server.ErrHandOver): // whoever sent the signal starts the next daemon
		os.Exit(0)
	}
	return err
}

// ready tells whoever waits for the device that it can be used.
func (o *serveOptions) ready(r server.Record) {
	if o.detached {
		if err := background.Detach(o.RunDir, r); err != nil {
			logrus.WithError(err).Warn("no log")
		}
	}
	logrus.WithFields(logrus.Fields{"device": r.Node, "image": r.Image, "queues": r.Queues}).Info("serving")
	daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+r.Node+" serves "+r.Image)
}
