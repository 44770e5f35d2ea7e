// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// lastWords keeps the end of what the serial console said.
type lastWords struct{ text []byte }

const lastWordsBytes = 16 << 10

func (l *lastWords) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if extra := len(l.text) - lastWordsBytes; extra > 0 {
		l.text = l.text[:copy(l.text, l.text[extra:])]
	}
	return len(p), nil
}

func (l *lastWords) String() string {
	return strings.TrimSpace(strings.ReplaceAll(string(l.text), "\r", ""))
}

// verdict turns how the streams ended into the run's error. What the kernel says comes before how
// the run went: it is usually the cause.
func (r *run) verdict(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cut := errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case errors.Is(err, ErrLimit) && cut:
		err = fmt.Errorf("%w, %v; the guest did not end by itself\n  %s\n%s", ErrLimit, r.Limit, &r.dump, r.remains())
	case errors.Is(err, ErrLimit):
		err = fmt.Errorf("%w\n  %s", err, &r.dump)
	case cut:
		r.complaints.seeConsole(r.console.String())
		err = fmt.Errorf("%w\n%s", ErrDown, r.remains())
	}
	if len(r.complaints.lines) > 0 {
		return errors.Join(&ComplaintError{r.complaints.lines}, err)
	}
	return err
}

// remains is what is left to look at when the guest can't be asked any more.
func (r *run) remains() string {
	var b strings.Builder
	fmt.Fprintf(&b, "end of its console:\n%s", r.console.String())
	if said := strings.TrimSpace(r.emulator.words.String()); said != "" {
		fmt.Fprintf(&b, "\nthe emulator said:\n%s", said)
	}
	return b.String()
}
