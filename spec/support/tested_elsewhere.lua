-- Modules and scripts without a spec of their own name, under the specs and stories that test them. The list only
-- shrinks: whatever is new gets a spec of its name (spec/mirror_spec.lua).

return {
  -- lua/weir/
  ["spec/engine/branches_spec.lua"] = { "lua/weir/base/call_site.lua", "lua/weir/engine/returned.lua" },
  ["spec/base/sorted_keys_spec.lua"] = { "lua/weir/base/identifier.lua" },
  ["spec/code/sandbox_spec.lua"] = {
    "lua/weir/base/park.lua", "lua/weir/code/calendar.lua", "lua/weir/code/coroutines.lua", "lua/weir/code/files.lua",
    "lua/weir/code/names.lua",
  },
  ["spec/init_spec.lua"] = {
    "lua/weir/base/readonly.lua", "lua/weir/base/usage_error.lua", "lua/weir/define/definition.lua",
  },
  ["spec/code/bundle_spec.lua"] = { "lua/weir/code/announcement.lua" },
  ["spec/random_processes_spec.lua"] = { "lua/weir/code/sort.lua" },
  ["spec/engine/invoke_spec.lua"] = { "lua/weir/define/violations.lua", "lua/weir/engine/call.lua" },
  ["spec/engine/graph_scheduler_spec.lua"] = { "lua/weir/engine/graph_results.lua" },
  ["spec/engine/run_spec.lua"] = {
    "lua/weir/memory/driver.lua", "lua/weir/memory/effects.lua", "lua/weir/memory/store.lua",
  },
  ["spec/reset/select_spec.lua"] = { "lua/weir/reset/plan.lua", "lua/weir/reset/redo_set.lua" },
  ["spec/testing_spec.lua"] = {
    "lua/weir/testing/asserts.lua", "lua/weir/testing/crashing.lua", "lua/weir/testing/golden.lua",
    "lua/weir/testing/mocks.lua", "lua/weir/testing/result.lua",
  },
  ["spec/cli/show_spec.lua"] = { "lua/weir/cli/output.lua", "lua/weir/client/redis.lua" },
  ["spec/cli/deps_spec.lua"] = { "lua/weir/client/dependencies.lua" },
  ["spec/cli/start_spec.lua"] = { "lua/weir/client/start_graph.lua" },
  ["spec/cli/wait_spec.lua"] = { "lua/weir/client/progress_count.lua", "lua/weir/client/subtree.lua" },
  ["spec/client/doctor_spec.lua"] = {
    "lua/weir/cli/stats.lua", "lua/weir/client/hosts.lua", "lua/weir/client/outage.lua",
  },
  ["spec/client/selector_spec.lua"] = {
    "lua/weir/cli/bulk.lua", "lua/weir/cli/progress.lua", "lua/weir/cli/selection.lua",
  },
  ["spec/client/transport_spec.lua"] = {
    "lua/weir/transport/blocking.lua", "lua/weir/client/bulk.lua", "lua/weir/client/fault.lua",
    "lua/weir/client/start.lua", "lua/weir/client/start_each.lua",
    "lua/weir/client/stats.lua", "lua/weir/client/wait.lua",
  },
  ["spec/cli/top/model_spec.lua"] = { "lua/weir/view/top_view.lua" },
  ["tests/e2e/top_spec.lua"] = { "lua/weir/cli/top/init.lua", "host/cli/screen.c" },
  ["spec/cli/help_spec.lua"] = { "lua/weir/cli/commands.lua" },
  ["tests/e2e/bulk_spec.lua"] = { "lua/weir/cli/start_each.lua" },
  ["tests/e2e/test_command_spec.lua"] = {
    "lua/weir/cli/test/init.lua", "lua/weir/cli/test/manifest.lua", "lua/weir/cli/test/report.lua",
    "host/assets/assets.c", "host/cli/coverage.c", "host/cli/test_command.c", "host/cli/test_watch.c",
  },

  ["tests/e2e/starter_spec.lua"] = {
    "lua/weir/cli/starter.lua", "lua/weir/workflow_ids.lua", "host/assets/workflow_ids.c", "host/base/new_file.c",
  },

  -- redis-scripts/
  ["spec/redis/dispatch_spec.lua"] = {
    "redis-scripts/lib.lua",
    "redis-scripts/lib/ends.lua",
    "redis-scripts/lib/groups.lua",
    "redis-scripts/lib/pages.lua", "redis-scripts/lib/runs.lua", "host/redis/keyspace.c", "host/redis/reply.c",
    "host/redis/script.c",
  },
  ["spec/redis/client/start_spec.lua"] = { "redis-scripts/lib/starts.lua" },
  ["spec/redis/client/cancel_spec.lua"] = { "redis-scripts/lib/cancellation.lua" },
  ["spec/redis/client/retry_spec.lua"] = {
    "redis-scripts/lib/reopen.lua", "redis-scripts/effects/reset_done.lua", "redis-scripts/effects/reset.lua",
  },
  ["spec/redis/read/census_spec.lua"] = { "redis-scripts/lib/members.lua", "redis-scripts/read/members.lua" },
  ["spec/redis/lib/tally_spec.lua"] = { "redis-scripts/read/rates.lua" },
  ["spec/redis/lib/dedupe_spec.lua"] = { "redis-scripts/lib/detached.lua", "redis-scripts/effects/detach.lua" },
  ["spec/redis/worker/announce_spec.lua"] = { "redis-scripts/lib/registry.lua" },
  ["spec/redis/worker/heartbeat_spec.lua"] = { "redis-scripts/lib/recovery.lua" },
  ["spec/redis/worker/sweep_spec.lua"] = { "redis-scripts/lib/retention.lua", "redis-scripts/lib/expiry.lua" },
  ["spec/redis/worker/turn_spec.lua"] = { "redis-scripts/effects/cancel.lua" },
  ["spec/redis/effects/deps_spec.lua"] = { "redis-scripts/effects/graph.lua" },
  ["spec/redis/effects/resolve_spec.lua"] = { "redis-scripts/effects/took.lua" },
  ["spec/redis/worker/stalled_spec.lua"] = {
    "redis-scripts/read/turns.lua", "redis-scripts/worker/requeue.lua", "redis-scripts/worker/leave.lua",
    "redis-scripts/worker/requeue.lua",
  },

  -- host/
  ["spec/json_spec.lua"] = { "host/lua/json.c", "host/lua/json_decode.c", "host/lua/json_encode.c" },
  ["spec/base/ordered_pairs_spec.lua"] = { "host/lua/order.c" },
  ["tests/unit/lua/test_vm.c"] = { "host/lua/host_module.c", "host/lua/limit.c", "host/lua/modules.c",
    "host/lua/programs.c" },
  ["tests/unit/config/test_config.c"] = { "host/base/address.c" },
  ["tests/unit/redis/test_store.c"] = { "host/redis/greeting.c", "host/redis/redis_error.c" },
  ["tests/unit/serve/test_private_redis.c"] = { "host/base/private_folder.c", "host/serve/supervisor.c" },
  ["tests/e2e/reload_spec.lua"] = { "host/serve/half_saved.c", "host/serve/refusal.c" },
  ["tests/e2e/process_spec.lua"] = { "host/main.c", "host/base/log.c", "host/serve/host.c", "host/serve/control.c",
    "host/serve/deployment.c", "host/serve/maintenance.c", "host/serve/membership.c",
    "host/serve/process.c" },
  ["tests/e2e/trust_spec.lua"] = { "host/redis/trust.c", "host/serve/safety.c" },
  ["tests/e2e/spec_watch_spec.lua"] = { "host/serve/spec_watch.c" },
  ["tests/e2e/supervised_spec.lua"] = { "host/base/log_writer.c" },
  ["tests/e2e/first_process_spec.lua"] = { "host/base/first_process.c" },
  ["tests/e2e/side_by_side_spec.lua"] = {
    "host/serve/long_turns.c",
    "host/serve/quarantine.c", "host/serve/turn_watch.c", "host/serve/worker.c",
  },
  ["tests/e2e/refused_spec.lua"] = {
    "host/client/calls.c", "host/client/client_error.c", "host/client/connection.c", "host/client/subscription.c",
  },
  ["tests/e2e/cli_spec.lua"] = { "host/cli/client.c", "host/cli/command_io.c", "host/client/interrupts.c" },
}
