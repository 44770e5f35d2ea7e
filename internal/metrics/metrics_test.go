// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/server"
	"zqublkd/internal/tally"
)

// pair are two devices, a well one and one that every alert is about, as they stand
// after n seconds.
func pair(n uint64) []Device {
	well, sick := stats(n), stats(n)
	sick.Errors = map[string]uint64{tally.Other: n, "not at the write pointer": 7 * n}
	sick.Ops[0].Failed = 8 * n
	sick.Active, sick.Recoveries = 4, n/2
	sick.Queues[0].Stuck = true
	for range n {
		for range 100 {
			sick.Ops[0].Latency.Observe(3e9)
		}
	}
	return []Device{
		{Node: "ublkb0", Name: "well", Image: "/srv/well.qcow2", Zoned: true, State: "live", Stats: &well},
		{Node: "ublkb1", Name: "sick", Image: "/srv/s\xff.qcow2", Zoned: true, State: "live", Stats: &sick},
		{Node: "ublkb2", Name: "sick2", Image: "/srv/hung.qcow2", State: "hung"},
	}
}

func stats(n uint64) tally.Stats {
	var h tally.Histogram
	for range 100 * n {
		h.Observe(200_000)
	}
	return tally.Stats{
		Began: time.Unix(1_700_000_000, 0), Metered: true,
		Ops:    []tally.Op{{Op: "write", OK: 100 * n, Bytes: 409_600 * n, Latency: &h}, {Op: "flush", OK: n}},
		Queues: []tally.Queue{{Depth: 64, InFlight: 3, Waiting: 1}, {Depth: 64, InFlight: 1}},
		Cache:  tally.Cache{Lookups: 1000 * n, Misses: 10 * n}, Zones: 20,
		Image:      tally.Image{Virtual: 1 << 30, File: 1 << 20, Allocated: 1 << 19},
		Conditions: map[string]uint32{"empty": 17, "implicit-open": 2, "full": 1},
		Limits:     tally.Limits{Open: 3, Active: 4}, Open: 2, Active: 2,
	}
}

func fixed(n uint64) Source { return func() ([]Device, error) { return pair(n), nil } }

func scrape(t *testing.T, h http.Handler) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Code, w.Body.String()
}

func TestScrape(t *testing.T) {
	code, text := scrape(t, Handler(fixed(2)))
	if code != 200 {
		t.Fatal(code, text)
	}
	for _, want := range []string{
		`zqublkd_requests_total{device="ublkb0",name="well",op="write",result="ok"} 200`,
		`zqublkd_requests_total{device="ublkb1",name="sick",op="write",result="error"} 16`,
		`zqublkd_request_bytes_total{device="ublkb0",name="well",op="write"} 819200`,
		`zqublkd_request_duration_seconds_bucket{device="ublkb0",name="well",op="write",le="0.000131072"} 0`,
		`zqublkd_request_duration_seconds_bucket{device="ublkb0",name="well",op="write",le="0.000262144"} 200`,
		`zqublkd_request_duration_seconds_count{device="ublkb0",name="well",op="write"} 200`,
		`zqublkd_request_errors_total{device="ublkb1",name="sick",rule="not at the write pointer"} 14`,
		`zqublkd_zones{condition="implicit-open",device="ublkb0",name="well"} 2`,
		`zqublkd_zones_max_active{device="ublkb0",name="well"} 4`,
		`zqublkd_requests_in_flight{device="ublkb0",name="well"} 4`,
		`zqublkd_queues_stuck{device="ublkb1",name="sick"} 1`,
		`zqublkd_up{device="ublkb2",name="sick2",state="hung"} 0`,
		`zqublkd_device_info{device="ublkb1",image="/srv/s` + "\uFFFD" + `.qcow2",kind="zoned",name="sick"} 1`,
		`zqublkd_recoveries_total{device="ublkb1",name="sick"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	var once bytes.Buffer
	if err := Write(&once, fixed(2)); err != nil || once.String() != text {
		t.Errorf("--once differs from a scrape: %v", err)
	}
}

func TestScrapeWithoutRunDir(t *testing.T) {
	code, text := scrape(t, Handler(func() ([]Device, error) { return nil, errors.New("run directory: not ours") }))
	if code != 500 || !strings.Contains(text, "not ours") {
		t.Error(code, text)
	}
	if code, text = scrape(t, Handler(FromRunDir(filepath.Join(t.TempDir(), "none"), server.StatsQuery{}))); code != 200 || text != "" {
		t.Error(code, text)
	}
}

func TestScrapeOfOneDevice(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := FromDevice(dir, 3, server.StatsQuery{})(); !errors.Is(err, server.ErrNotOurs) {
		t.Error(err)
	}
	for id := range 2 {
		device := filepath.Join(dir, strconv.Itoa(id))
		if err := os.MkdirAll(device, 0o755); err != nil {
			t.Fatal(err)
		}
		record := fmt.Sprintf(`{"id": %d, "name": "disk%d", "zoned": true}`, id, id)
		if err := os.WriteFile(device+"/record.json", []byte(record), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := FromDevice(dir, 1, server.StatsQuery{})()
	if err != nil || len(list) != 1 || list[0] != (Device{Node: "ublkb1", Name: "disk1", Zoned: true, State: "dead"}) {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	left, err := net.Listen("unix", dir+"/left")
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"127.0.0.1:0": "", "[::1]:0": "", "localhost:0": "", "unix:" + dir + "/new": "", "unix:" + dir + "/left": "",
		"0.0.0.0:0": "loopback", ":9813": "loopback", "192.0.2.1:80": "loopback", "example.org:80": "loopback",
		"9813": "loopback", "": "loopback", "unix:relative": "loopback", "unix:" + dir + "/file": "address already in use",
	} {
		t.Run(address, func(t *testing.T) {
			l, err := Listen(address)
			switch {
			case err == nil && want == "":
				if path, ok := strings.CutPrefix(address, "unix:"); ok {
					if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
						t.Errorf("%v, %v", st.Mode(), err)
					}
					if _, err := Listen(address); err == nil || !strings.Contains(err.Error(), "another program") {
						t.Errorf("a second time: %v", err)
					}
				}
				l.Close()
			case err == nil:
				t.Error("taken")
			case strings.Contains(err.Error(), "cannot assign requested address") && address == "[::1]:0":
			case want == "" || !strings.Contains(err.Error(), want):
				t.Error(err)
			}
		})
	}
}

// TestServe: what is sent besides scrapes does no harm, and the end is an end.
func TestServe(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, l, Handler(fixed(1))) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "\x00\xff{}\r\n\r\n")
	r, err := http.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
