// SPDX-License-Identifier: Apache-2.0

package background

// Exit codes that mean something between a daemon, its supervisor and whoever has started them.
const (
	ExitHandOver    = 8   // of a daemon: its device waits for the next one
	ExitUnclean     = 9   // of a daemon that was told to end: its image was not closed in order
	ExitInterrupted = 130 // by SIGINT or SIGTERM
)

// ExitError is an error with the exit code that goes with it. Its text is empty if the daemon has
// told the reason itself.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap is for errors.Is.
func (e *ExitError) Unwrap() error { return e.Err }
