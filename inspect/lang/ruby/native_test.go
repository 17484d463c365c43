package ruby

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assay/check/testkit"
)

// gemList runs a command that prints a list like gem list, "NAME (VERSION, default:
// VERSION PLATFORM)" per line, and returns it in the form of find, without the gems
// that come with Ruby unless defaults is set.
func gemList(t *testing.T, env []string, defaults bool, command ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v", command, err)
	}
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		name, versions, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ")"), " (")
		if !ok {
			continue
		}
		for version := range strings.SplitSeq(versions, ", ") {
			version, isDefault := strings.CutPrefix(version, "default: ")
			version, _, _ = strings.Cut(version, " ")
			if !isDefault || defaults {
				found[name+" "+version] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Gems that gem builds and installs, as gem lists them: a plain gem and one for a
// platform. The tests and source of a gem and the archives that it was installed from
// do not count.
func TestAsGemListOfHome(t *testing.T) {
	gem, err := exec.LookPath("gem")
	if err != nil {
		testkit.Missing(t, "gem, to compare with (apt-get install ruby)")
	}
	dir := t.TempDir()
	home := filepath.Join(dir, "home")
	source := filepath.Join(dir, "source")
	for name, platform := range map[string]string{"ours-plain": "ruby", "ours-built": "x86_64-linux"} {
		spec := `require "rubygems"
Gem::Specification.new do |spec|
  spec.name = ["` + name + `"].first
  spec.version = "1.2." + "3.pre"
  spec.platform = "` + platform + `"
  spec.summary = "s"
  spec.authors = ["a"]
  spec.files = Dir["*.gemspec", "test/**/*.gemspec"]
end
`
		own := filepath.Join(source, name)
		for _, path := range []string{name + ".gemspec", "test/rubygems/specifications/other-1.0.gemspec"} {
			path = filepath.Join(own, path)
			err := os.MkdirAll(filepath.Dir(path), 0o777)
			if err == nil {
				err = os.WriteFile(path, []byte(spec), 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{
			{"build", "--quiet", "--output", filepath.Join(dir, name+".gem"), name + ".gemspec"},
			{"install", "--local", "--no-document", "--force", "--install-dir", home, filepath.Join(dir, name+".gem")},
		} {
			cmd := exec.CommandContext(t.Context(), gem, args...)
			cmd.Dir = own
			cmd.Env = append(os.Environ(), "HOME="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("gem %q: %v\n%s", args, err, out)
			}
		}
	}
	want := gemList(t, []string{"HOME=" + dir, "GEM_HOME=" + home, "GEM_PATH=" + home}, false, gem, "list", "--local")
	if !slices.Equal(want, []string{"ours-built 1.2.3.pre", "ours-plain 1.2.3.pre"}) {
		t.Fatalf("gem lists %q", want)
	}
	if got := find(t, dir); !slices.Equal(got, want) {
		t.Errorf("found %q\ngem lists %q", got, want)
	}
}

// The gems that Bundler installs from a repository with several gems, as it lists them.
func TestAsBundleListFromGit(t *testing.T) {
	for _, program := range []string{"bundle", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			testkit.Missing(t, "%s, to compare with (apt-get install bundler git)", program)
		}
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", `
export HOME="$0/home" GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
mkdir -p home ours/part ours/test/other app
cd ours
spec() { echo "Gem::Specification.new { |s| s.name = ['$1'].first; s.version = '1.' + '2'; s.summary = 's'; s.authors = ['a']; $2 }"; }
spec ours "s.add_dependency 'part'" >ours.gemspec
spec part >part/part.gemspec
spec other >test/other/other.gemspec
git init -q .
git add .
git -c user.name=a -c user.email=a@example.com commit -qm c
cd ../app
echo "git('file://$0/ours', glob: '{,*/}*.gemspec') { gem 'ours' }" >Gemfile
bundle config set --local path vendor/bundle >&2
bundle install >&2
bundle list`, dir)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bundler: %v\n%s", err, stderr.String())
	}
	var want []string // from lines like "  * ours (1.2 0123456)"
	for line := range strings.Lines(string(out)) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] == "*" {
			want = append(want, fields[1]+" "+strings.TrimPrefix(fields[2], "("))
		}
	}
	if !slices.Equal(want, []string{"ours 1.2", "part 1.2"}) {
		t.Fatalf("bundler lists %q: %s", want, out)
	}
	if got := find(t, dir); !slices.Equal(got, want) {
		t.Errorf("found %q\nbundler lists %q", got, want)
	}
}
