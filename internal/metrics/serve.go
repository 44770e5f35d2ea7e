// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"golang.org/x/sys/unix"
)

// DefaultAddress is where the numbers are.
const DefaultAddress = "127.0.0.1:9813"

// ErrAddress is an address that can't be listened at.
var ErrAddress = errors.New("must be unix:/PATH or a loopback address and a port, as " + DefaultAddress)

// Listen listens at unix:/PATH, which only our user can connect to, or at
// a loopback address: numbers tell names of images, and nobody is asked who he is.
func Listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", address, ErrAddress)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%q: %w", address, ErrAddress)
	}
	return net.Listen("tcp", address)
}

func listenUnix(path string) (net.Listener, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("\"unix:%s\": %w", path, ErrAddress)
	}
	c, err := net.Dial("unix", path)
	switch {
	case err == nil:
		c.Close()
		return nil, fmt.Errorf("%s: %w: another program listens there", path, unix.EADDRINUSE)
	case errors.Is(err, unix.ECONNREFUSED): // left by one that was killed, if it is a socket
		if st, err := os.Lstat(path); err == nil && st.Mode().Type() == os.ModeSocket {
			os.Remove(path)
		}
	}
	mask := unix.Umask(0o177)
	defer unix.Umask(mask)
	return net.Listen("unix", path)
}

// atOnce bounds the scrapes that are answered at the same time.
const atOnce = 4

func registry(s Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s})
	return r
}

// Handler answers scrapes at /metrics.
func Handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(s), promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError, MaxRequestsInFlight: atOnce, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<a href=metrics>metrics</a> of the devices of zqublkd\n")
	})
	return mux
}

// Serve answers at l until ctx ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.Shutdown(end)
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Write writes the metrics as Prometheus would get them now.
func Write(w io.Writer, s Source) error {
	families, err := registry(s).Gather()
	if err != nil {
		return err
	}
	e := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
