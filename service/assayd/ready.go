package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"assay/verdict/hint"
)

// listenFile is a file with the address that serve was last started on, as a URL such as
// https://[::]:443. ready asks there.
const listenFile = "listen"

// readyTime bounds how long ready waits for an answer.
const readyTime = 4 * time.Second

func (d *daemon) readyCommand() *cli.Command {
	return &cli.Command{
		Name:   "ready",
		Usage:  "exit with 0 if the assayd that serves from the data folder answers scans; for the health check of a container",
		Flags:  []cli.Flag{dataFlag()},
		Action: d.ready,
	}
}

func (d *daemon) ready(c *cli.Context) error {
	dir := c.String("data")
	b, err := os.ReadFile(filepath.Join(dir, listenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return hint.Errorf("name the folder of assayd serve with --data", "assayd has not served from %q yet", dir)
	}
	if err != nil {
		return fmt.Errorf("read where assayd listens: %w", err)
	}
	at, err := url.Parse(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("read where assayd listens: %w", err)
	}
	var name string
	if public, err := url.Parse(publicURL(dir)); err == nil {
		name = public.Hostname()
	}
	client := &http.Client{Timeout: readyTime, Transport: &http.Transport{
		// An unspecified address, such as [::]:443, is this machine.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, at.Host)
		},
		// The process at this address is the service itself. It may have a certificate
		// of a private authority, or one for another name than that of a proxy.
		TLSClientConfig: &tls.Config{ServerName: name, InsecureSkipVerify: true},
	}}
	req, err := http.NewRequestWithContext(c.Context, http.MethodGet, at.Scheme+"://localhost/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("assayd at %s: %w", at.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	var problem struct{ Error string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&problem); err != nil {
		return fmt.Errorf("assayd at %s answers %s", at.Host, resp.Status)
	}
	return fmt.Errorf("assayd at %s answers %s: %s", at.Host, resp.Status, problem.Error)
}
