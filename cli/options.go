package cli

import (
	"strings"

	ucli "github.com/urfave/cli/v2"

	"assay/remote"
	"assay/verdict"
)

// An option is a flag of a scan, and everywhere else that its value is accepted.
type option struct {
	flag ucli.Flag
	env  envRule
	// inventory, scanned and generator say which commands have the flag besides a
	// scan. For assay buildkit it is a parameter of the generator.
	inventory, scanned, generator bool
}

// An envRule says whether the flag's environment variable is read. The ENV of a base
// image is inherited, so the zero value is the strictest rule.
type envRule int

const (
	// envIgnored is for a flag that would send the token elsewhere, hide part of the
	// image, pass a build that was not scanned, or change what a script that reads
	// the log finds there.
	envIgnored envRule = iota
	// envService is for a flag that says where the service is or whom to trust for it.
	// Its variable is read only as long as neither the slot nor a flag names the service.
	envService
	// envRead is for a flag whose variable is read.
	envRead
)

// scanOptions declares the flags of a scan. The options on which the service decides
// are declared in package verdict, for client and service together.
func scanOptions() []option {
	options := []option{
		{flag: &ucli.StringFlag{Name: "root", Aliases: []string{"d"}, Value: "/", Usage: "read the tree below `DIR`"}, inventory: true},
		{flag: &ucli.StringSliceFlag{Name: "skip", Usage: "leave out `DIR` (repeatable)"}, inventory: true, generator: true},
		{flag: &ucli.StringFlag{Name: "server", Usage: "send the scan to the service at `URL`, if the binary does not contain its address"}, env: envService, scanned: true},
		{flag: &ucli.StringFlag{Name: "token-file", Usage: "read the token from `FILE`"}, env: envRead, scanned: true},
	}
	for _, d := range verdict.DeclaredOptions() {
		o := option{flag: flagOf(d), env: envRead, generator: true}
		if d.Env == verdict.EnvNever {
			o.env = envIgnored
		}
		o.scanned = d.Name == "project" || d.Name == "commit"
		options = append(options, o)
	}
	return append(options, []option{
		{flag: &ucli.StringSliceFlag{Name: "ignore-file", Usage: "accept the findings that `FILE` lists: .assayignore.yaml, .trivyignore, or Grype's configuration (repeatable)"}},
		{flag: &ucli.StringSliceFlag{Name: "vex", Usage: "apply the VEX statements in `FILE`: OpenVEX, CycloneDX or CSAF (repeatable)"}},
		{flag: &ucli.StringFlag{Name: "baseline", Usage: "tell findings of the base image apart: `FILE` is its inventory, or the id of a stored scan of it"}, generator: true},
		{flag: &ucli.StringFlag{Name: "on-error", Usage: "`fail` or warn if the scan cannot finish", Value: "fail"}, generator: true},
		{flag: &ucli.StringFlag{Name: "format", Usage: "print the report in this `FORMAT` to standard output: " + formatNames(), Value: "text"}},
		{flag: &ucli.BoolFlag{Name: "html", Aliases: []string{"H"}, Usage: "the same as --format html"}},
		{flag: &ucli.StringSliceFlag{Name: "output", Usage: "write a report: `FORMAT=PATH` (repeatable)"}, env: envRead},
		{flag: &ucli.StringFlag{Name: "cacert", Usage: "also trust the certificates in `FILE` (PEM)"}, env: envService, scanned: true},
		{flag: &ucli.BoolFlag{Name: "no-verify", Aliases: []string{"n"}, Usage: "do not verify the certificate of the service"}, scanned: true, generator: true},
		{flag: &ucli.DurationFlag{Name: "timeout", Usage: "give up after this `TIME`", Value: remote.DefaultTimeout}, env: envRead, scanned: true, generator: true},
		{flag: &ucli.BoolFlag{Name: "quiet", Usage: "print only the stable line and the verdict"}, env: envRead, scanned: true, generator: true},
		{flag: &ucli.BoolFlag{Name: "verbose", Usage: "also list the findings that do not fail"}, env: envRead, generator: true},
	}...)
}

// inventoryFlags returns the flags of assay inventory.
func inventoryFlags() []ucli.Flag {
	return append(flagsOf(func(o option) bool { return o.inventory }),
		&ucli.StringFlag{Name: "output", Usage: "write to `FILE` in place of the standard output"})
}

func flagOf(d verdict.Option) ucli.Flag {
	if d.Switch() {
		return &ucli.BoolFlag{Name: d.Name, Aliases: d.Aliases, Usage: d.Usage}
	}
	return &ucli.StringFlag{Name: d.Name, Aliases: d.Aliases, Usage: d.Usage}
}

func (o option) name() string { return o.flag.Names()[0] }

// flagsOf returns the flags of a scan for which with is true.
func flagsOf(with func(option) bool) []ucli.Flag {
	var flags []ucli.Flag
	for _, o := range scanOptions() {
		if with(o) {
			flags = append(flags, o.flag)
		}
	}
	return flags
}

func scanFlags() []ucli.Flag { return flagsOf(func(option) bool { return true }) }

// envName returns the environment variable of a flag.
func envName(flag string) string {
	return "ASSAY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
