package peers

import (
	"context"
	"os"
	"path/filepath"
)

// Trivy returns the path of Trivy, which it builds if necessary.
func Trivy(ctx context.Context, tools string) (string, error) {
	return Build(ctx, tools, "trivy", "github.com/aquasecurity/trivy/cmd/trivy", "v0.74.0")
}

// NewTrivy returns a function that lets Trivy read the packages in a root and returns its
// report. The flags are added to its command. Trivy runs without a network and keeps its
// files in the folder cache, which NewTrivy makes. Trivy does not read Java archives without
// its index of digests ("cannot be specified on the first run"), so it gets an empty index.
func NewTrivy(ctx context.Context, tools, cache string) (func(ctx context.Context, root string, flags ...string) ([]byte, error), error) {
	program, err := Trivy(ctx, tools)
	if err != nil {
		return nil, err
	}
	if err := TrivyCache(ctx, cache); err != nil {
		return nil, err
	}
	return func(ctx context.Context, root string, flags ...string) ([]byte, error) {
		args := append([]string{"rootfs", "--quiet", "--pkg-types", "os,library", "--offline-scan",
			"--skip-version-check", "--disable-telemetry", "--skip-java-db-update", "--cache-dir", cache}, flags...)
		return Output(ctx, nil, nil, program, append(args, root)...)
	}, nil
}

// TrivyCache makes a folder for the files of Trivy, with the empty index that NewTrivy needs.
func TrivyCache(ctx context.Context, cache string) error {
	index := filepath.Join(cache, "java-db")
	if err := os.MkdirAll(index, 0o755); err != nil {
		return err
	}
	const metadata = `{"Version": 1, "NextUpdate": "2100-01-01T00:00:00Z"}`
	if err := os.WriteFile(filepath.Join(index, "metadata.json"), []byte(metadata), 0o644); err != nil {
		return err
	}
	const schema = "CREATE TABLE artifacts(id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);" +
		"CREATE TABLE indices(artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);"
	_, err := Output(ctx, nil, nil, "sqlite3", filepath.Join(index, "trivy-java.db"), schema)
	return err
}
