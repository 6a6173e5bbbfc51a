# SPDX-FileCopyrightText: The xendmd authors
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# lab test: chooses the tests, puts them into as few boots as they allow, counts.
#
# In dom0 guest/runner runs them one after the other. It leaves in /lab/results, for a test NAME,
# NAME.begun and then NAME.status, so that a dom0 that hangs or dies costs only the test that was
# running: the rest go on in another boot.
# shellcheck shell=bash

TEST_TIMEOUT=240	# seconds a test has, unless it says otherwise
BOOT_TIMEOUT=450	# from power-on to the first test; 30 s on a machine that has nothing else to do
SETTLE_TIMEOUT=90	# after a test: checks, cleaning
PASSED=0
FAILED=0

lab_test()
{
	local shared=() alone=() name

	choose_tests
	for name in "${CHOSEN[@]}"; do
		if test_has "$name" own-boot || test_has "$name" after-poweroff; then
			alone+=("$name")
		else
			shared+=("$name")
		fi
	done
	if (( ${#CHOSEN[@]} )); then
		project_build "$RELEASE"
		run_batch "${shared[@]}"
		for name in "${alone[@]}"; do
			run_batch "$name"
		done
	fi
	printf '%d passed, %d failed\n' "$PASSED" "$FAILED"
	(( FAILED == 0 ))
}

# test_words NAME: what its "# lab:" lines say, one word a line.
test_words()
{
	sed -n '1,20s/^# lab: *//p' "$LAB_DIR/t/$1.sh" | tr -s ' \t' '\n'
}

test_has()
{
	test_words "$1" | grep -qxF "$2"
}

# test_value NAME KEY DEFAULT
test_value()
{
	local value

	value=$(test_words "$1" | sed -n "s/^$2=//p" | tail -n 1)
	echo "${value:-$3}"
}

test_wanted()
{
	local name=$1

	[[ ,$(test_value "$name" releases "$RELEASE"), == *,$RELEASE,* ]] || return 1
	(( ALL )) && return 0
	test_has "$name" long && return 1
	if test_has "$name" essential; then
		[[ $RELEASE == trixie ]]
	else
		[[ $RELEASE == bookworm ]]
	fi
}

choose_tests()
{
	local file name

	CHOSEN=()
	if (( ${#ARGS[@]} )); then
		for name in "${ARGS[@]}"; do
			name=$(basename "$name" .sh)
			[[ -e $LAB_DIR/t/$name.sh ]] || die "no such test: $name"
			CHOSEN+=("$name")
		done
		return
	fi
	for file in "$LAB_DIR"/t/*.sh; do
		name=$(basename "$file" .sh)
		if [[ $name != lib ]] && test_wanted "$name"; then
			CHOSEN+=("$name")
		fi
	done
}

# run_batch NAME…: in one boot, or in more where a test leaves dom0 unusable. An emulated dom0 that hangs
# before its first message is started a second time.
run_batch()
{
	local left=("$@") before hung=0

	while (( ${#left[@]} )); do
		before=${#left[@]}
		boot_tests "${left[@]}"
		left=("${REMAINING[@]}")
		if (( ${#left[@]} < before )); then
			hung=0
		elif (( hung++ == 0 )); then
			say "dom0 did not come up: once more"
		else
			lose_test "${left[0]}" "dom0 did not come up"
			left=("${left[@]:1}")
		fi
	done
}

# boot_tests NAME…: one boot; REMAINING are those that it didn't get to.
boot_tests()
{
	local name watcher keep=0 failed_before=$FAILED

	REMAINING=()
	boot_begin "$RELEASE"
	mkdir "$RUN_DIR/share/results"
	for name in "$@"; do
		printf '%s %s\n' "$name" "$(test_value "$name" timeout "$TEST_TIMEOUT")"
	done >"$RUN_DIR/share/tests"
	boot_command "exec bash /lab/guest/runner"
	watch_tests "$RUN_DIR" "$@" &
	watcher=$!
	BOOT_QUIET=1 boot_run "${TIMEOUT:-7200}"
	kill "$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	for name in "$@"; do
		count_test "$name"
	done
	if (( FAILED > failed_before || ${#REMAINING[@]} == $# )); then
		keep=1
	fi
	boot_end "$keep"
}

# count_test NAME: one of those that were given to this boot.
count_test()
{
	local name=$1 results=$RUN_DIR/share/results status

	if [[ ! -e $results/$name.begun ]]; then
		REMAINING+=("$name")
	elif test_has "$name" after-poweroff; then
		after_poweroff "$name"
	elif [[ ! -e $results/$name.status ]]; then
		lose_test "$name" "dom0 hung or went down; end of its console:"
		tail -n 40 "$RUN_DIR/console" | sed 's/^/    /'
		cat "$results/$name.output" 2>/dev/null | tail -n 40 | sed 's/^/    /' || true
	else
		status=$(<"$results/$name.status")
		if [[ $status == 0 ]]; then
			PASSED=$((PASSED + 1))
		else
			FAILED=$((FAILED + 1))
		fi
	fi
}

lose_test()
{
	printf 'FAILED %s: %s\n' "$1" "$2"
	FAILED=$((FAILED + 1))
}

# The second half of a test that powers dom0 off: its file again, here, with LAB_STAGE=after.
after_poweroff()
{
	local name=$1 output=$RUN_DIR/after.output start=$SECONDS

	if LAB_STAGE=after LAB_EVIDENCE=$RUN_DIR/share/evidence LAB_CONSOLE=$RUN_DIR/console \
		timeout 60 bash "$LAB_DIR/t/$name.sh" >"$output" 2>&1 </dev/null; then
		printf 'ok %s (%d s after power-off)\n' "$name" $((SECONDS - start))
		PASSED=$((PASSED + 1))
		return
	fi
	lose_test "$name" "after power-off:"
	sed 's/^/    /' "$output"
	tail -n 20 "$RUN_DIR/share/results/$name.output" 2>/dev/null | sed 's/^/    dom0: /' || true
}

# watch_tests RUN_DIR NAME…: ends QEMU when dom0 makes no progress any more.
watch_tests()
{
	local dir=$1 name limit=$BOOT_TIMEOUT current='' since=$SECONDS now

	trap - EXIT
	shift
	while sleep 3 >/dev/null 2>&1; do
		now=
		for name in "$@"; do
			if [[ -e $dir/share/results/$name.begun ]]; then
				now=$name
			fi
		done
		if [[ $now != "$current" ]]; then
			current=$now since=$SECONDS
			limit=$(( $(test_value "$now" timeout "$TEST_TIMEOUT") + SETTLE_TIMEOUT ))
		fi
		if (( SECONDS - since > limit )); then
			say "no progress for $limit s: ending dom0"
			kill "$(<"$dir/pid")" || true
			return
		fi
	done
}
