package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"zqublkd/internal/server"
)

func newAdd() *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:   "add IMAGE",
		Short: "Serve an image in the background; prints the device node when it can be used",
		Args:  exactly("IMAGE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			verb := "serve"
			if o.recovery == string(server.RecoveryReissue) {
				verb = superviseVerb
			}
			r, err := spawn(append([]string{verb}, o.args(args[0])...))
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), r.Node)
			return nil
		},
	}
	o.addFlags(c)
	return c
}

// readyFD is where a daemon in the background writes its record when its
// device can be used.
const readyFD = 3

// spawn starts a daemon in a session of its own and waits until it serves, or
// has told on our standard error why not.
func spawn(args []string) (server.Record, error) {
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
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return r, err
	}
	line, err := bufio.NewReader(ready).ReadBytes('\n')
	if err != nil {
		return r, failure(cmd.Wait())
	}
	return r, json.Unmarshal(line, &r)
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
