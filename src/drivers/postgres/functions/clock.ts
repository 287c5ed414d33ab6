export const clock = (s: string): string => `
-- The server's clock, epoch milliseconds. Nothing else reads it.
CREATE FUNCTION ${s}.clock_ms() RETURNS double precision LANGUAGE sql VOLATILE AS $jobferry$
  SELECT extract(epoch FROM clock_timestamp())::double precision * 1000
$jobferry$;
`;
