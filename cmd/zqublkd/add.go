package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newAdd() *cobra.Command {
	var o serveOptions
	var deaths uint
	var noSystemd bool
	c := &cobra.Command{
		Use:   "add IMAGE",
		Short: "Serve an image in the background; prints the device node when it can be used",
		Args:  exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			daemon := append([]string{"serve"}, o.args(args[0])...)
			if o.recovery == string(server.RecoveryReissue) {
				daemon = superviseArgs(deaths, o.args(args[0]))
			}
			r, err := spawn(daemon, !noSystemd)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), r.Node)
			return nil
		},
	}
	o.addFlags(c)
	addLimit(c, &deaths)
	c.Flags().BoolVar(&noSystemd, "no-systemd", false, "leave the daemon in the cgroup of the caller, with which it may end, also where systemd runs")
	return c
}

// addLimit adds the flag of the verbs that leave a supervisor behind.
func addLimit(c *cobra.Command, deaths *uint) {
	c.Flags().UintVar(deaths, "recovery-limit", defaultDeaths,
		"deaths of the daemon within a minute after which the device is stopped, so that its users get errors; 0: never")
}

// readyFD is where a daemon in the background writes its record when its
// device can be used.
const readyFD = 3

// spawn starts a daemon in a session of its own and waits until it serves, or
// has told on our standard error why not. Where systemd runs and apart is set, it
// gets a unit of its own.
func spawn(args []string, apart bool) (server.Record, error) {
	var r server.Record
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	ready, theirs, err := os.Pipe()
	if err != nil {
		return r, err
	}
	defer ready.Close()
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs} // becomes readyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Dir = "/"
	cmd.Env = withoutUnit(os.Environ())
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return r, err
	}
	line, err := bufio.NewReader(ready).ReadBytes('\n')
	if err != nil {
		return r, failure(cmd.Wait())
	}
	err = json.Unmarshal(line, &r)
	if err == nil && apart {
		leaveCaller(r, cmd.Process.Pid)
	}
	return r, err
}

// withoutUnit is an environment without what systemd tells a service of its
// own: a daemon that a service adds does not speak for that.
func withoutUnit(environ []string) []string {
	return slices.DeleteFunc(environ, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{"NOTIFY_SOCKET", "JOURNAL_STREAM", "WATCHDOG_PID", "WATCHDOG_USEC", "INVOCATION_ID",
			"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "MAINPID", unitVariable}, name)
	})
}

// failure passes on the exit code of a daemon that has said why it ended.
func failure(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return codeError{errors.New(""), exit.ExitCode()}
	}
	return fmt.Errorf("the daemon ended before its device was ready: %w", errors.Join(err, errDaemon))
}

var errDaemon = errors.New("no reason given")
