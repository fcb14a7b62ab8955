-- Empty where money does not end calls; what is re-armed otherwise.
CREATE INDEX legs_cut_short ON legs (workspace_id, id)
  WHERE ended_at_us IS NULL AND (cut_at_us IS NOT NULL OR cut_after_seconds <> max_duration_seconds);
