#!/usr/bin/env bash
# The commands of docs/guides/cli.md. A test runs this file from top to bottom.
set -eu

# #region first
export JOBFERRY_URL=sqlite:./jobs.db
jobferry push email '{"to":"ann@example.org"}' --queue mails
jobferry stats
# #endregion

# #region first-work
jobferry work --handlers ./mails.mts --queue mails --stop-when-empty
# #endregion

# #region routes
jobferry push email '{"to":"bob@example.org"}' --queue mails
jobferry work --handlers ./routes.ts --queue mails --stop-when-empty
# #endregion

# #region import
jobferry push --file jobs.ndjson
cat jobs.ndjson | jobferry push --file - --queue other
# #endregion

# #region resume
jobferry push --file jobs.ndjson --resume
# #endregion

# #region work
jobferry work --handlers ./handlers.ts --queue mails:3,default:1 --concurrency 10 --stop-when-empty
jobferry work --handlers ./handlers.ts --queue mails,default --workers 2 --isolation processes --stop-when-empty
# #endregion

# #region failed
jobferry failed
jobferry failed report-2026-10
jobferry retry report-2026-10
jobferry retry --queue default --error "service is down"
jobferry flush --older-than 30d --yes
# #endregion

# #region ids
jobferry jobs --state pending | tail -n +2 | cut -d ' ' -f 1 | jobferry forget - --yes
# #endregion

# #region queues
jobferry pause mails
jobferry resume --all
jobferry clear other --yes
# #endregion

# #region cluster
jobferry cluster nodes
jobferry cluster locks --json
jobferry cluster broadcast prices '{"changed":7}'
# #endregion

# #region tools
jobferry doctor
jobferry bench --jobs 1000
jobferry completion bash > jobferry-completion.bash
# #endregion
