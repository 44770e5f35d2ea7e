// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"zqublkd/internal/needs"
)

// program finds one of Prometheus's, which tests/vm/setup gets from Debian.
func program(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("ZQUBLKD_VM_CACHE")
	if dir == "" {
		dir = "/var/cache/zqublkd-vm"
	}
	path := filepath.Join(dir, "prometheus", name)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		needs.Missing(t, "no %s here: `tests/vm/setup prometheus` gets it", name)
	}
	return path
}

const rulesPath = "../../contrib/prometheus/zqublkd.rules.yml"

// server is a running Prometheus that scrapes us every second.
type promServer struct {
	t    *testing.T
	base string
}

func startPrometheus(t *testing.T, target string) promServer {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{global: {scrape_interval: 1s, evaluation_interval: 1s}, rule_files: [%q],
scrape_configs: [{job_name: zqublkd, static_configs: [{targets: [%q]}]}]}`, rules, target)
	if err := os.WriteFile(dir+"/prometheus.yml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program(t, "prometheus"), "--config.file="+dir+"/prometheus.yml",
		"--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address)
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	c.Stderr = log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		c.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(dir + "/log")
			t.Logf("Prometheus: %s", text)
		}
	})
	return promServer{t, "http://" + address}
}

// sample is one result of a query.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
}

func (s sample) number() float64 {
	text, _ := s.Value[1].(string)
	f, _ := strconv.ParseFloat(text, 64)
	return f
}

// query runs a query, which must be a good one.
func (p promServer) query(q string) []sample {
	p.t.Helper()
	var r struct {
		Status, Error string
		Data          struct{ Result []sample }
	}
	res, err := http.Get(p.base + "/api/v1/query?query=" + url.QueryEscape(q))
	if err != nil {
		return nil // not up yet
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusServiceUnavailable {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(&r); err != nil || r.Status != "success" {
		p.t.Fatalf("%s: %s %v", q, r.Error, err)
	}
	return r.Data.Result
}

// seen waits until it has scraped n times.
func (p promServer) seen(n float64) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if r := p.query(`count_over_time(up{job="zqublkd"}[5m])`); len(r) == 1 && r[0].number() >= n {
			return
		}
		if time.Now().After(end) {
			p.t.Fatal("Prometheus does not scrape")
		}
	}
}

// dashboardQueries are those of contrib/grafana, with Grafana's variables filled in.
func dashboardQueries(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../contrib/grafana/zqublkd.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			all[p.Title+" "+q.RefID] = strings.NewReplacer("$__rate_interval", "1m", "$device", ".*").Replace(q.Expr)
		}
	}
	return all
}

// TestPrometheus: a real one scrapes us; each query of the dashboard has an answer,
// each alert is about the device that it should be about and not about the well one.
func TestPrometheus(t *testing.T) {
	program(t, "prometheus")
	var n atomic.Uint64
	web := httptest.NewServer(Handler(func() ([]Device, error) { return pair(n.Add(1)), nil }))
	defer web.Close()
	p := startPrometheus(t, strings.TrimPrefix(web.URL, "http://"))
	p.seen(6)

	for name, q := range dashboardQueries(t) {
		if r := p.query(q); len(r) == 0 {
			t.Errorf("dashboard, %s: nothing comes of %s", name, q)
		}
	}
	// 100 writes of 4 KiB, 200 us each, are a second's.
	for q, want := range map[string]float64{
		`irate(zqublkd_requests_total{device="ublkb0",op="write",result="ok"}[1m])`:                                                           100,
		`irate(zqublkd_request_bytes_total{device="ublkb0"}[1m])`:                                                                             409_600,
		`histogram_quantile(0.5, rate(zqublkd_request_duration_seconds_bucket{device="ublkb0"}[1m]))`:                                         200e-6,
		`rate(zqublkd_request_duration_seconds_sum{device="ublkb0"}[1m]) / rate(zqublkd_request_duration_seconds_count{device="ublkb0"}[1m])`: 200e-6,
	} {
		if r := p.query(q); len(r) != 1 || r[0].number() < want*0.7 || r[0].number() > want*1.4 {
			t.Errorf("%s: %v, want about %v", q, r, want)
		}
	}
	text, err := os.ReadFile(rulesPath)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Groups[0].Rules {
		about := map[string]bool{}
		for _, s := range p.query(r.Expr) {
			about[s.Metric["name"]] = true
		}
		if about["well"] || !about["sick"] && !about["sick2"] {
			t.Errorf("alert %s is about %v", r.Alert, about)
		}
	}
}

func TestRulesAreSound(t *testing.T) {
	out, err := exec.Command(program(t, "promtool"), "check", "rules", "--lint=all", "--lint-fatal", rulesPath).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	var text strings.Builder
	if err := Write(&text, fixed(3)); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program(t, "promtool"), "check", "metrics")
	c.Stdin = strings.NewReader(text.String())
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
