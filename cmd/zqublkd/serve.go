package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"zqublkd/internal/engine"
	"zqublkd/internal/server"
)

// serveOptions are the flags of serve and add.
type serveOptions struct {
	id       int32
	name     string
	readOnly bool
	force    bool
	allow    engine.Allow
	recovery string
	cache    string
	zeroCopy string
	l2Cache  uint64
	queues   uint16
	depth    uint16
	runDir   string
	stopWait time.Duration
	detached bool
	of       string // the image is a throw-away overlay of this one
}

func (o *serveOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.Int32Var(&o.id, "id", -1, "device number; -1: the first free one")
	f.StringVar(&o.name, "name", "", "name of the device, in lists and udev's links (default: the image's file name)")
	f.BoolVar(&o.readOnly, "read-only", false, "serve it read-only")
	f.BoolVar(&o.force, "force", false, "add a device even to a kernel that is known to crash when one is added")
	f.StringVar(&o.recovery, "recovery", string(server.RecoveryOff), "when the daemon dies: reissue (the device waits for the next one, which add brings) or off (it goes)")
	f.StringVar(&o.cache, "cache", string(engine.CacheNone), "page cache for data: none or writeback")
	f.StringVar(&o.zeroCopy, "zero-copy", string(server.ZeroCopyAuto), "file I/O straight to and from the requests' pages: auto (if the kernel can) or off")
	f.Var((*sizeFlag)(&o.l2Cache), "l2-cache-size", "memory for the image's L2 tables; 0: 64M, which maps 512G with clusters of 64K")
	f.Uint16Var(&o.queues, "queues", 0, "hardware queues; 0: one for each CPU")
	f.Uint16Var(&o.depth, "depth", server.DefaultDepth, "requests of a queue at once")
	f.DurationVar(&o.stopWait, "stop-wait", server.DefaultStopWait, "how long SIGTERM (systemctl stop) waits for the users of the device before it goes all the same; 0: not at all")
	addAllow(c, &o.allow)
	addRunDir(c, &o.runDir)
}

func (o *serveOptions) check() error {
	switch {
	case o.id < -1:
		return usageError{fmt.Errorf("--id %d: give a device number, or -1 for the first free one", o.id)}
	case o.depth == 0 || o.depth > 4096:
		return usageError{fmt.Errorf("--depth %d: must be from 1 to 4096", o.depth)}
	case o.stopWait < 0:
		return usageError{fmt.Errorf("--stop-wait %v: must not be negative", o.stopWait)}
	case o.queues > 4096:
		return usageError{fmt.Errorf("--queues %d: must be at most 4096", o.queues)}
	}
	return nil
}

// args are the arguments of the daemon that add starts, after its verb.
func (o *serveOptions) args(image string) []string {
	image, _ = filepath.Abs(image)
	runDir, _ := filepath.Abs(o.runDir)
	return []string{image, "--detached", "--log-level", logLevel,
		"--id", strconv.Itoa(int(o.id)), "--name", o.name, "--recovery", o.recovery, "--cache", o.cache, "--zero-copy", o.zeroCopy, "--l2-cache-size", strconv.FormatUint(o.l2Cache, 10),
		"--queues", strconv.Itoa(int(o.queues)), "--depth", strconv.Itoa(int(o.depth)),
		"--run-dir", runDir, "--stop-wait", o.stopWait.String(), "--read-only=" + strconv.FormatBool(o.readOnly), "--force=" + strconv.FormatBool(o.force),
		"--snapshot-of", o.of, "--allow-backing=" + strconv.FormatBool(o.allow.Backing), "--allow-data-file=" + strconv.FormatBool(o.allow.Data)}
}

func (o *serveOptions) config(image string) server.Config {
	var supervised func([]string) bool
	if o.detached && o.recovery == string(server.RecoveryReissue) {
		supervised = bySupervisor
	}
	return server.Config{
		Image: image, SnapshotOf: o.of, Allow: o.allow, ID: o.id, Name: o.name, ReadOnly: o.readOnly, Force: o.force, Recovery: server.Recovery(o.recovery),
		Supervised: supervised, Unit: os.Getenv(unitVariable), NextComes: unitRestarts,
		Cache: engine.Cache(o.cache), ZeroCopy: server.ZeroCopy(o.zeroCopy), L2Cache: o.l2Cache, Queues: o.queues, Depth: o.depth, RunDir: o.runDir, StopWait: o.stopWait, Log: logrus.StandardLogger(),
	}
}

func newServe() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "serve IMAGE",
		Short: "Serve an image in the foreground, until SIGTERM or del",
		Args:  exactly("IMAGE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if err := harden(); err != nil {
				return err
			}
			return o.serve(args[0])
		},
	}
	o.addFlags(c)
	c.Flags().BoolVar(&o.detached, "detached", false, "report readiness on descriptor 3 and log into the run directory")
	c.Flags().MarkHidden("detached")
	c.Flags().StringVar(&o.of, "snapshot-of", "", "the image is a throw-away overlay of this one")
	c.Flags().MarkHidden("snapshot-of")
	return c
}

func (o *serveOptions) serve(image string) error {
	if o.detached {
		unix.CloseOnExec(readyFD)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer cancel()
	signal.Ignore(unix.SIGPIPE)
	err := server.Serve(ctx, o.config(image), o.ready)
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
		if err := detach(o.runDir, r); err != nil {
			logrus.WithError(err).Warn("no log")
		}
	}
	logrus.WithFields(logrus.Fields{"device": r.Node, "image": r.Image, "queues": r.Queues}).Info("serving")
	daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS="+r.Node+" serves "+r.Image)
}

// detach tells add, and leaves its terminal for a log: the journal, or where
// there is none a file beside the record.
func detach(runDir string, r server.Record) error {
	log, err := openJournal()
	if err == nil {
		logrus.SetFormatter(newJournalFormatter())
	} else {
		log, err = os.OpenFile(server.LogPath(runDir, r.ID), os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_CLOEXEC, 0o600)
	}
	if err == nil {
		err = unix.Dup2(int(log.Fd()), int(os.Stderr.Fd()))
		log.Close()
	}
	ready := os.NewFile(readyFD, "ready")
	defer ready.Close()
	return errors.Join(err, json.NewEncoder(ready).Encode(r))
}
