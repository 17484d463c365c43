package match

import (
	"time"

	"assay/verdict"
)

// setEndOfLife fills in until when a system has free security support, day
// being the last day of it or empty where that is not known. The day itself
// counts as supported, whatever the time zone: days are those of UTC.
func setEndOfLife(s *verdict.System, day string, today time.Time) {
	s.EndOfLife = day
	s.Ended = day != "" && today.UTC().Format(time.DateOnly) > day
}

// debianEndOfLife returns the last day of Debian's long term support, which is
// free and covers the architectures and most packages that images have. Source:
// https://wiki.debian.org/LTS, and the column eol-lts of debian.csv in Debian's
// package distro-info-data. The paid support after it (ELTS) does not count.
func debianEndOfLife(release string) string {
	switch release {
	case "6":
		return "2016-02-29"
	case "7":
		return "2018-05-31"
	case "8":
		return "2020-06-30"
	case "9":
		return "2022-06-30"
	case "10":
		return "2024-06-30"
	case "11":
		return "2026-08-31"
	case "12":
		return "2028-06-30"
	case "13":
		return "2030-06-30"
	}
	return ""
}

// ubuntuEndOfLife returns the last day of Ubuntu's standard support. Source:
// https://wiki.ubuntu.com/Releases, and the column eol of ubuntu.csv in the
// package distro-info-data. What needs a subscription (ESM) does not count.
func ubuntuEndOfLife(versionID string) string {
	switch versionID {
	case "12.04":
		return "2017-04-28"
	case "12.10":
		return "2014-05-16"
	case "13.04":
		return "2014-01-27"
	case "13.10":
		return "2014-07-17"
	case "14.04":
		return "2019-04-25"
	case "14.10":
		return "2015-07-23"
	case "15.04":
		return "2016-02-04"
	case "15.10":
		return "2016-07-28"
	case "16.04":
		return "2021-04-30"
	case "16.10":
		return "2017-07-20"
	case "17.04":
		return "2018-01-13"
	case "17.10":
		return "2018-07-19"
	case "18.04":
		return "2023-05-31"
	case "18.10":
		return "2019-07-18"
	case "19.04":
		return "2020-01-23"
	case "19.10":
		return "2020-07-17"
	case "20.04":
		return "2025-05-29"
	case "20.10":
		return "2021-07-22"
	case "21.04":
		return "2022-01-20"
	case "21.10":
		return "2022-07-14"
	case "22.04":
		return "2027-06-01"
	case "22.10":
		return "2023-07-20"
	case "23.04":
		return "2024-01-25"
	case "23.10":
		return "2024-07-11"
	case "24.04":
		return "2029-05-31"
	case "24.10":
		return "2025-07-10"
	case "25.04":
		return "2026-01-15"
	case "25.10":
		return "2026-07-09"
	case "26.04":
		return "2031-05-29"
	case "26.10":
		return "2027-07-15"
	}
	return ""
}
